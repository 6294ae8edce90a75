//! The ticketing platform over HTTP against bare `axum` handlers: what is asked most, what is refused, what is held, whole
//! orders, everything mixed, and what it takes of memory. Name scenarios to run only these:
//! `cargo bench -p nebula-versus --bench http -- stock hold`.
//!
//! Each server is a process of its own with as many threads as processors, shared with the one that asks it; both sides of
//! a comparison are asked in the same way, in turns.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a benchmark that fails has no result")]

mod against;
mod child;
mod load;
mod memory;
mod orders;
mod platform;
mod server;
mod wire;

use std::time::Duration;

use mimalloc::MiMalloc;
use nebula_test_support::{Effort, RedisServer, postgres_database};
use nebula_versus::rounds;

use child::{Child, Role};

/// The one of the program `ticketing`; both sides have it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Connections that ask, each one request after the other.
const CONNECTIONS: usize = 64;

/// How much is measured.
#[derive(Clone, Copy)]
struct Plan {
    rounds: u32,
    time: Duration,
}

#[tokio::main]
async fn main() {
    if let Some(role) = Role::of_this_process() {
        return server::serve(role).await;
    }
    let effort = Effort::from_args();
    let names: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let plan = Plan { rounds: rounds(effort), time: effort.pick(Duration::from_secs(1), Duration::from_secs(3)) };

    let bare = Child::start(&Role::Bare { redis: None }).await;
    let embedded = Child::start(&Role::Embedded).await;
    if wanted("stock") {
        against::stock(plan, &embedded, &bare).await;
    }
    if wanted("sold-out") {
        against::sold_out(plan, &embedded, &bare).await;
    }
    if wanted("hold") {
        against::hold(plan, "embedded", &embedded, &bare, "constant").await;
    }
    if wanted("order") {
        orders::placed(plan, "embedded", &embedded).await;
    }
    if wanted("paid") {
        orders::paid(plan, "embedded", &embedded).await;
    }
    if wanted("mixed") {
        orders::mixed(plan, &embedded).await;
    }
    drop((bare, embedded));
    if ["hold-redis", "order-redis"].into_iter().any(wanted) {
        let redis = RedisServer::start().await;
        let bare = Child::start(&Role::Bare { redis: Some(redis.url()) }).await;
        let ours = Child::start(&Role::Redis { redis: redis.url() }).await;
        if wanted("hold-redis") {
            against::hold(plan, "on Redis", &ours, &bare, "one EVALSHA").await;
        }
        if wanted("order-redis") {
            orders::placed(plan, "on Redis and SQLite", &ours).await;
        }
    }
    if wanted("order-postgres") {
        let redis = RedisServer::start().await;
        let role = Role::Postgres { redis: redis.url(), postgres: postgres_database().await };
        let ours = Child::start(&role).await;
        orders::placed(plan, "on Redis and PostgreSQL", &ours).await;
        orders::paid(plan, "on Redis and PostgreSQL", &ours).await;
    }
    if wanted("memory") {
        memory::print(effort).await;
    }
}
