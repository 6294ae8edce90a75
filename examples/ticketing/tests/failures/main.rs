//! What has to happen at each failure that the platform is built for, on real servers. A test is named after the case of
//! `docs/checklist.md` that it shows.
//!
//! Servers that die in the middle of a rush (N13, N14) have programs of their own: `kill`, `chaos` and `cluster`.
#![allow(clippy::future_not_send, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod n01;
mod n02;
mod n03;
mod n04;
mod n05;
mod n06;
mod n07;
mod n08;
mod n09;
mod n10;
mod n11;
mod n12;
mod n14;
#[path = "../program/mod.rs"]
mod program;
mod sale;
mod victim;
