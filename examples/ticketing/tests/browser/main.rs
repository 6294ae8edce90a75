//! The pages in a real browser, against the real server; one module a subject.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

mod account;
mod buying;
mod check_in;
mod counter;
mod help;
mod identity;
mod merchant;
mod office;
mod operations;
mod orders;
mod refused_names;
mod screen;
mod search;
mod second_factor;
mod waiting;
mod wanted;
#[path = "../web/mod.rs"]
mod web;
mod words;
