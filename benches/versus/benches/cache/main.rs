//! Reading a cache: the local level against its store used bare (the limit) and moka; the shared level against bare
//! commands with decoding; filters against `fastbloom`.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails has no result")]

mod filter;
mod local;
mod shared;

use std::time::Duration;

use nebula_test_support::{Effort, RedisServer};
use nebula_versus::rounds;

#[tokio::main]
async fn main() {
    let effort = Effort::from_args();
    local::compare(rounds(effort), effort.pick(300_000, 2_000_000)).await;
    let server = RedisServer::start().await;
    let time = effort.pick(Duration::from_millis(500), Duration::from_secs(2));
    shared::compare(&server.url(), rounds(effort), time).await;
    filter::compare(effort).await;
}
