//! Mail in bulk, against the bare pool of `lettre`; what signing a request costs, against the bare HMAC; and how many decisions
//! about limits there are in a second, against `governor` in memory and against as many bare commands on Redis.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails has no result")]

mod limits;
mod mail;
mod signing;

use nebula_test_support::Effort;

#[tokio::main]
async fn main() {
    let effort = Effort::from_args();
    signing::run(effort).await;
    limits::run(effort).await;
    mail::run(effort).await;
}
