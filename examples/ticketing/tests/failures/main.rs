//! Failures of whole parts, on real servers: each test is named after its line in section N of `docs/checklist.md`.
#![allow(clippy::future_not_send, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod n12;
