//! The SQL backends on SQLite, PostgreSQL and MariaDB.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod conformance;
#[path = "../common/effects.rs"]
mod effects;
mod faults;
#[path = "../common/killed.rs"]
mod killed;
mod servers;
