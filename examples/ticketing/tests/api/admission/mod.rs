//! Admission: the waiting room by its contract, and every step of the chain over HTTP.

mod chain;
mod desk;
mod help;
mod person;
mod room;
mod shared;
mod waiting;
