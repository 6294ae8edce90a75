//! Roles and permissions.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test is meant to panic")]

mod allocations;
mod conformance;
mod evaluator;
mod grammar;
mod recorded;
mod restore;
mod rules;
mod shared_level;
