//! The seat ledgers against their contract, against each other and under faults; and the inventory on top of them.

mod concurrency;
mod faults;
mod fixture;
mod model;
mod suite;
