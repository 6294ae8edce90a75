//! Delay queues: ours against the bare data structure (the limit), on Redis and in memory.
//!
//! `send` schedules messages of 100 bytes an hour ahead, with 64 senders. `deliver` is one consumer that works off
//! messages that are due together: a worker with 64 handlers against a loop over batches.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails has no result")]

mod limit;
mod ours;

use std::sync::Arc;
use std::time::Duration;

use nebula_delay_queue::{DelayQueue, MemoryDelayQueue};
use nebula_test_support::{Effort, RedisServer, Unit, Versus};
use nebula_versus::{drain, rounds};

use crate::limit::{BareHeap, BareRedis};

const SENDERS: usize = 64;
const BATCH: usize = 100;
const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::main]
async fn main() {
    let effort = Effort::from_args();
    let body: Arc<str> = "x".repeat(100).into();
    on_redis(effort, &body).await;
    in_memory(effort, &body).await;
}

async fn on_redis(effort: Effort, body: &Arc<str>) {
    let server = RedisServer::start().await;
    let url = server.url();
    let total = effort.pick(5_000, 30_000);
    let queue = ours::connect(&url).await;
    let mut send = Versus::new("delay_queue redis send");
    let mut deliver = Versus::new("delay_queue redis deliver");
    for round in 0..rounds(effort) {
        let later = format!("later.{round}");
        let limit = BareRedis::connect(&url, &later).await;
        let side = (queue.clone(), Arc::<str>::from(later.as_str()), Arc::clone(body));
        let send_ours = async |(queue, name, body): (DelayQueue, Arc<str>, Arc<str>), _| {
            ours::schedule(&queue, &name, &body, HOUR).await;
        };
        let ours = async || drain(SENDERS, total, &side, send_ours).await;
        let side = (limit, Arc::clone(body));
        let send_bare = async |(limit, body): (BareRedis, Arc<str>), id| limit.schedule(id, &body, HOUR).await;
        let bare = async || drain(SENDERS, total, &side, send_bare).await;
        send.round("bare scripts (limit)", ours, bare).await;

        let due = format!("due.{round}");
        ours::schedule_batches(&queue, &due, body, Duration::ZERO, total).await;
        let limit = BareRedis::connect(&url, &due).await;
        for id in 0..total {
            limit.clone().schedule(id, body, Duration::ZERO).await;
        }
        let operations = u64::try_from(total).unwrap();
        let ours = async || Unit::OpsPerSec.time(operations, ours::deliver(&queue, &due, total)).await;
        let bare = async || Unit::OpsPerSec.time(operations, limit.deliver(total, BATCH)).await;
        deliver.round("bare scripts (limit)", ours, bare).await;
    }
    send.print();
    deliver.print();
}

async fn in_memory(effort: Effort, body: &Arc<str>) {
    let total = effort.pick(20_000, 100_000);
    let operations = u64::try_from(total).unwrap();
    let mut send = Versus::new("delay_queue memory send");
    let mut deliver = Versus::new("delay_queue memory deliver");
    for _ in 0..rounds(effort) {
        let queue = DelayQueue::new(MemoryDelayQueue::new());
        let ours = async || {
            let all = async {
                for _ in 0..total {
                    ours::schedule(&queue, "later", body, HOUR).await;
                }
            };
            Unit::OpsPerSec.time(operations, all).await
        };
        let heap = BareHeap::default();
        let bare = async || {
            let all = async {
                for id in 0..total {
                    heap.schedule(id, body, HOUR);
                }
            };
            Unit::OpsPerSec.time(operations, all).await
        };
        send.round("heap behind a mutex (limit)", ours, bare).await;

        ours::schedule_batches(&queue, "due", body, Duration::ZERO, total).await;
        let heap = BareHeap::default();
        for id in 0..total {
            heap.schedule(id, body, Duration::ZERO);
        }
        let ours = async || Unit::OpsPerSec.time(operations, ours::deliver(&queue, "due", total)).await;
        let bare = async || Unit::OpsPerSec.time(operations, async { heap.deliver(total) }).await;
        deliver.round("heap behind a mutex (limit)", ours, bare).await;
    }
    send.print();
    deliver.print();
}
