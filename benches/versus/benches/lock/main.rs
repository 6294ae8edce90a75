//! Locks on Redis: ours against the bare commands (the limit) and rslock.
//!
//! `-- --load fenced 64 10` loads one side with 64 tasks for 10 s, for a profiler to look at.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails has no result")]

mod contention;
mod cost;
mod distinct;
mod limit;
mod one_key;
mod peer;
mod sides;

use std::time::Duration;

use nebula_test_support::{Effort, RedisServer};
use nebula_versus::rounds;

/// Long enough that no caller gives up.
const PATIENCE: Duration = Duration::from_secs(600);
const LEASE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() {
    let effort = Effort::from_args();
    let server = RedisServer::start().await;
    let url = server.url();
    let arguments: Vec<String> = std::env::args().skip_while(|argument| argument != "--load").skip(1).collect();
    if let [side, tasks, seconds, ..] = arguments.as_slice() {
        let time = Duration::from_secs(seconds.parse().unwrap());
        return distinct::load(&url, server.pid(), side, tasks.parse().unwrap(), time).await;
    }
    for tasks in [1, 16, 64, 256] {
        let time = effort.pick(Duration::from_millis(250), Duration::from_secs(1));
        distinct::compare(&url, server.pid(), tasks, rounds(effort), time).await;
    }
    one_key::compare(&url, rounds(effort), effort.pick(Duration::from_secs(1), Duration::from_secs(10))).await;
}
