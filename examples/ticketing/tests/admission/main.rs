//! Admission: the waiting room by its contract, and every step of the chain over HTTP.
#![allow(clippy::future_not_send, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod chain;
mod desk;
mod help;
mod person;
mod room;
mod shared;
mod waiting;
