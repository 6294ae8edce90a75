//! What a large number of delayed messages takes, in memory and in time.

use std::sync::Arc;
use std::time::Duration;

use nebula_delay_queue::DelayQueue;
use nebula_test_support::{Effort, RabbitMq, RedisServer, Unit};
use nebula_versus::drain;

use crate::bare_redis::BareRedis;
use crate::{BATCH, HOUR, SENDERS, on_rabbit, ours};

/// Sent and delivered while all the others wait.
const AMONG: usize = 20_000;

pub(crate) async fn on_redis(effort: Effort, body: &Arc<str>) {
    let number = effort.pick(100_000, 1_000_000);
    let server = RedisServer::start().await;
    let limit = BareRedis::connect(&server.url(), "bare").await;
    let before = limit.memory().await;
    let side = (limit.clone(), Arc::clone(body));
    let schedule = async |(limit, body): (BareRedis, Arc<str>), id| limit.schedule(id, &body, HOUR).await;
    let rate = drain(SENDERS, number, &side, schedule).await;
    let bytes = (limit.memory().await - before) / number as u64;
    println!("backlog redis bare messages={number} bytes-each={bytes} send={rate:.0} unit=ops/s");

    let server = RedisServer::start().await;
    let asks = BareRedis::connect(&server.url(), "asks").await;
    let queue = ours::connect(&server.url()).await;
    let before = asks.memory().await;
    let rate = send(&queue, body, number).await;
    let bytes = (asks.memory().await - before) / number as u64;
    println!("backlog redis ours messages={number} bytes-each={bytes} send={rate:.0} unit=ops/s");
    among(&queue, "redis", body).await;
}

pub(crate) async fn on_rabbitmq(effort: Effort, body: &Arc<str>) {
    let number = effort.pick(20_000, 100_000);
    let broker = RabbitMq::start().await;
    let queue = on_rabbit::connect(&broker, 1).await;
    // The ladder and the queue are there before the first look.
    ours::schedule(&queue, "backlog", body, HOUR).await;
    let (before, disk_before) = (memory(&broker).await, disk(broker.folder()));
    let rate = send(&queue, body, number).await;
    let per = |bytes: u64| bytes / number as u64;
    let bytes = per(memory(&broker).await.saturating_sub(before));
    let on_disk = per(disk(broker.folder()).saturating_sub(disk_before));
    println!(
        "backlog rabbitmq ours messages={number} bytes-each={bytes} disk-bytes-each={on_disk} send={rate:.0} unit=ops/s"
    );
    among(&queue, "rabbitmq", body).await;
}

/// Messages per second, sent in batches an hour ahead, by as many tasks as send to the bare scripts.
async fn send(queue: &DelayQueue, body: &Arc<str>, number: usize) -> f64 {
    let side = (queue.clone(), Arc::clone(body));
    let batch = async |(queue, body): (DelayQueue, Arc<str>), _| {
        ours::schedule_batches(&queue, "backlog", &body, HOUR, BATCH).await;
    };
    drain(SENDERS, number / BATCH, &side, batch).await * BATCH as f64
}

/// What the same queue still does while all that waits in it.
async fn among(queue: &DelayQueue, backend: &str, body: &Arc<str>) {
    let operations = u64::try_from(AMONG).unwrap();
    let both = async {
        ours::schedule_batches(queue, "backlog", body, Duration::ZERO, AMONG).await;
        ours::deliver(queue, "backlog", AMONG).await;
    };
    let rate = Unit::OpsPerSec.time(operations, both).await;
    println!("backlog {backend} among-them send-and-deliver={rate:.0} unit=ops/s");
}

/// All that the broker's runtime holds, after it has cleaned up, in bytes.
async fn memory(broker: &RabbitMq) -> u64 {
    broker.ctl(&["eval", "[garbage_collect(P) || P <- processes()], ok."]).await;
    broker.ctl(&["eval", "erlang:memory(total)."]).await.trim().parse().unwrap()
}

/// The bytes of all files below a folder.
fn disk(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => disk(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    });
    bytes.sum()
}
