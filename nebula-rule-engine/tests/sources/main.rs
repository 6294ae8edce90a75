//! Rules that follow memory, files, servers and databases.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod common;
mod config;
mod conformance;
mod files;
mod http;
mod keeper;
mod sql;
mod tenants;
