//! The API of the platform over HTTP, on a server in this process for each test. One program, since each that is linked with the
//! whole platform takes two hundred megabytes. `tests/postgres` runs most of it once more.
#![allow(
    clippy::future_not_send,
    clippy::panic,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

mod account;
mod admission;
mod archive;
mod attempts;
mod backup;
mod best;
mod catalog;
mod catalog_replicas;
mod codes;
#[path = "../common/mod.rs"]
mod common;
mod counter;
mod coupons;
mod desk;
mod document;
mod federation;
mod frame;
mod identity;
mod import;
mod load;
mod merchants;
mod notices;
mod office;
mod operations;
mod orders;
mod payments;
mod pictures;
#[path = "../program/mod.rs"]
mod program;
mod rules;
mod s3_server;
mod screen;
mod search;
mod seats;
mod second_factor;
mod tickets;
mod wanted;
