//! What needs neither a process nor a server of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test is meant to panic")]

mod abuse;
mod access;
mod config;
mod extractors;
mod factors;
mod hostile_tokens;
mod keys;
mod memory;
mod oidc;
mod password;
mod properties;
mod provider;
mod sessions;
mod support;

// Where the attributes look for it.
use access::PERMISSIONS;
