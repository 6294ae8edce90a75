//! The seat ledgers against their contract, against each other and under faults; and the inventory on top of them.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod batches;
mod concurrency;
mod faults;
mod feed;
mod fixture;
mod model;
mod rebuild;
mod sold_out;
mod speed;
mod spy;
mod stock;
mod suite;
