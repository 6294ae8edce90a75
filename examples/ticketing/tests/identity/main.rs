//! People by their documents: whose an account is, whom buyers buy for, and what an authority says of them.
#![allow(clippy::future_not_send, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod authority;
mod mine;
mod orders;
