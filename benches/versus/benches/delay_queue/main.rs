//! Delay queues: ours against the bare driver or data structure (the limit) and a peer, and how late messages are.
//!
//! `-- <figure>… --quick` measures what is named, `-- all` everything; without a name, the first few of [`FIGURES`], which need
//! nothing but Redis and little time. `-- --profile` loads a queue on Redis and prints what delivering it costs whom.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark that fails has no result")]

mod backlog;
mod bare_memory;
mod bare_rabbit;
mod bare_redis;
#[allow(dead_code, reason = "shared with the bench of locks, which needs more of it")]
#[path = "../lock/cost.rs"]
mod cost;
mod lateness;
mod memory;
mod on_rabbit;
mod on_redis;
mod ours;
mod peer;

use std::sync::Arc;
use std::time::Duration;

use nebula_test_support::Effort;

const SENDERS: usize = 64;
/// As many messages at a time take the loops and the peer.
const BATCH: usize = 100;
/// How our workers are set up: so many messages are handled at the same time, and so many more held ready.
const HANDLERS: usize = 64;
const PREFETCH: usize = 500;
/// As many messages are due at one instant.
const BURST: usize = 20_000;
const HOUR: Duration = Duration::from_secs(3_600);

/// What can be asked for.
const FIGURES: [&str; 15] = [
    "redis-send",
    "redis-deliver",
    "redis-apalis",
    "memory-send",
    "memory-deliver",
    "redis-burst",
    "rabbitmq-send",
    "rabbitmq-burst",
    "lateness-redis",
    "lateness-rabbitmq",
    "lateness-sqlite",
    "lateness-postgres",
    "lateness-mariadb",
    "backlog-redis",
    "backlog-rabbitmq",
];

/// So many of them are measured when none is named.
const UNNAMED: usize = 5;

#[tokio::main]
async fn main() {
    let effort = Effort::from_args();
    let named: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    if let Some(unknown) = named.iter().find(|name| *name != "all" && !FIGURES.contains(&name.as_str())) {
        eprintln!("there is no figure `{unknown}`; there are: all, {}", FIGURES.join(", "));
        std::process::exit(2);
    }
    let asked_for = |place: usize, figure: &str| match named.is_empty() {
        true => place < UNNAMED,
        false => named.iter().any(|name| name == figure || name == "all"),
    };
    let body: Arc<str> = "x".repeat(100).into();
    if std::env::args().any(|argument| argument == "--profile") {
        return on_redis::profile(&body).await;
    }
    for (place, figure) in FIGURES.into_iter().enumerate() {
        if !asked_for(place, figure) {
            continue;
        }
        match figure {
            "redis-send" => on_redis::send(effort, &body).await,
            "redis-deliver" => on_redis::deliver(effort, &body).await,
            "redis-burst" => on_redis::burst(effort, &body).await,
            "redis-apalis" => on_redis::against_apalis(effort, &body).await,
            "memory-send" => memory::send(effort, &body).await,
            "memory-deliver" => memory::deliver(effort, &body).await,
            "rabbitmq-send" => on_rabbit::send(effort, &body).await,
            "rabbitmq-burst" => on_rabbit::burst(effort, &body).await,
            "lateness-redis" => lateness::on_redis(effort).await,
            "lateness-rabbitmq" => lateness::on_rabbitmq(effort).await,
            "lateness-sqlite" => lateness::on_sqlite(effort).await,
            "lateness-postgres" => lateness::on_postgres(effort).await,
            "lateness-mariadb" => lateness::on_mariadb(effort).await,
            "backlog-redis" => backlog::on_redis(effort, &body).await,
            "backlog-rabbitmq" => backlog::on_rabbitmq(effort, &body).await,
            _ => unreachable!("a figure without a bench"),
        }
    }
}
