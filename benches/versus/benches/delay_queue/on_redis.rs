//! Redis: sending and delivering, against the least that is correct.
//!
//! `send` schedules messages of 100 bytes an hour ahead, with 64 senders. `deliver` is one consumer that works off
//! messages that are due together: a worker with 64 handlers against a loop over batches.

use std::sync::Arc;
use std::time::Duration;

use nebula_delay_queue::DelayQueue;
use nebula_test_support::{Effort, RedisServer, Unit, Versus};
use nebula_versus::{drain, rounds};
use tokio::time::{Instant, sleep_until};

use crate::bare_redis::BareRedis;
use crate::cost::Meter;
use crate::peer::Apalis;
use crate::{BATCH, BURST, HOUR, SENDERS, ours};

const LIMIT: &str = "bare scripts (limit)";

pub(crate) async fn send(effort: Effort, body: &Arc<str>) {
    let server = RedisServer::start().await;
    let url = server.url();
    let total = effort.pick(20_000, 30_000);
    let queue = ours::connect(&url).await;
    let mut send = Versus::new("delay_queue redis send");
    for round in 0..rounds(effort) {
        let name = format!("later.{round}");
        let limit = BareRedis::connect(&url, &name).await;
        let side = (queue.clone(), Arc::<str>::from(name.as_str()), Arc::clone(body));
        let send_ours = async |(queue, name, body): (DelayQueue, Arc<str>, Arc<str>), _| {
            ours::schedule(&queue, &name, &body, HOUR).await;
        };
        let ours = async || drain(SENDERS, total, &side, send_ours).await;
        let side = (limit, Arc::clone(body));
        let send_bare = async |(limit, body): (BareRedis, Arc<str>), id| limit.schedule(id, &body, HOUR).await;
        let bare = async || drain(SENDERS, total, &side, send_bare).await;
        send.round(LIMIT, ours, bare).await;
    }
    send.print();
}

pub(crate) async fn deliver(effort: Effort, body: &Arc<str>) {
    let server = RedisServer::start().await;
    let url = server.url();
    let total = effort.pick(20_000, 60_000);
    let operations = u64::try_from(total).unwrap();
    let queue = ours::connect(&url).await;
    let mut deliver = Versus::new("delay_queue redis deliver");
    for round in 0..rounds(effort) {
        let name = format!("due.{round}");
        ours::schedule_batches(&queue, &name, body, Duration::ZERO, total).await;
        let limit = BareRedis::connect(&url, &name).await;
        drain(SENDERS, total, &(limit.clone(), Arc::clone(body)), async |(limit, body): (BareRedis, Arc<str>), id| {
            limit.schedule(id, &body, Duration::ZERO).await;
        })
        .await;
        let ours = async || Unit::OpsPerSec.time(operations, ours::deliver(&queue, &name, total)).await;
        let bare = async || Unit::OpsPerSec.time(operations, limit.clone().deliver(total, BATCH)).await;
        deliver.round(LIMIT, ours, bare).await;
    }
    deliver.print();
}

/// All due at one instant.
pub(crate) async fn burst(effort: Effort, body: &Arc<str>) {
    let server = RedisServer::start().await;
    let url = server.url();
    let queue = ours::connect(&url).await;
    let operations = u64::try_from(BURST).unwrap();
    let mut burst = Versus::new("delay_queue redis burst");
    for round in 0..rounds(effort) {
        let name = format!("burst.{round}");
        let limit = BareRedis::connect(&url, &name).await;
        let ours = async || {
            let due = Instant::now() + Duration::from_secs(5);
            ours::schedule_at(&queue, &name, body, due, BURST).await;
            let worker = ours::Counting::start(&queue, &name, BURST, due);
            sleep_until(due).await;
            worker.finish().await;
            Unit::OpsPerSec.figure(operations, due.elapsed())
        };
        let side = (limit.clone(), Arc::clone(body));
        let send_bare =
            async |(limit, body): (BareRedis, Arc<str>), id| limit.schedule(id, &body, Duration::ZERO).await;
        drain(SENDERS, BURST, &side, send_bare).await;
        let bare = async || Unit::OpsPerSec.time(operations, limit.deliver(BURST, BATCH)).await;
        burst.round(LIMIT, ours, bare).await;
    }
    burst.print();
}

/// Sending with a delay and delivering, each against the same of `apalis-redis`.
pub(crate) async fn against_apalis(effort: Effort, body: &Arc<str>) {
    const PEER: &str = "apalis-redis 1.0";
    let server = RedisServer::start().await;
    let url = server.url();
    let total = effort.pick(5_000, 20_000);
    let operations = u64::try_from(total).unwrap();
    let queue = ours::connect(&url).await;
    let mut send = Versus::new("delay_queue redis send");
    let mut deliver = Versus::new("delay_queue redis deliver");
    for round in 0..rounds(effort) {
        let name = format!("later.{round}");
        let apalis = Apalis::connect(&url, &name).await;
        let side = (queue.clone(), Arc::<str>::from(name.as_str()), Arc::clone(body));
        let send_ours = async |(queue, name, body): (DelayQueue, Arc<str>, Arc<str>), _| {
            ours::schedule(&queue, &name, &body, HOUR).await;
        };
        let ours = async || drain(SENDERS, total, &side, send_ours).await;
        let side = (apalis, Arc::clone(body));
        let send_theirs = async |(apalis, body): (Apalis, Arc<str>), _| apalis.schedule(&body, HOUR).await;
        let theirs = async || drain(SENDERS, total, &side, send_theirs).await;
        send.round(PEER, ours, theirs).await;

        let name = format!("due.{round}");
        ours::schedule_batches(&queue, &name, body, Duration::ZERO, total).await;
        let apalis = Apalis::connect(&url, &name).await;
        let side = (apalis.clone(), Arc::clone(body));
        drain(SENDERS, total, &side, async |(apalis, body): (Apalis, Arc<str>), _| apalis.push(&body).await).await;
        let ours = async || Unit::OpsPerSec.time(operations, ours::deliver(&queue, &name, total)).await;
        let theirs = async || Unit::OpsPerSec.time(operations, apalis.deliver(total)).await;
        deliver.round(PEER, ours, theirs).await;
    }
    send.print();
    deliver.print();
}

/// Loads the queue first, then lets a profiler look at the delivering alone; prints what each message cost.
pub(crate) async fn profile(body: &Arc<str>) {
    const TOTAL: usize = 300_000;
    let server = RedisServer::start().await;
    let queue = ours::connect(&server.url()).await;
    ours::schedule_batches(&queue, "due", body, Duration::ZERO, TOTAL).await;
    let limit = BareRedis::connect(&server.url(), "due").await;
    drain(SENDERS, TOTAL, &(limit.clone(), Arc::clone(body)), async |(limit, body): (BareRedis, Arc<str>), id| {
        limit.schedule(id, &body, Duration::ZERO).await;
    })
    .await;
    println!("client {} and server {} begin", std::process::id(), server.pid());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let operations = u64::try_from(TOTAL).unwrap();
    for side in ["ours", "limit"] {
        limit.reset_statistics().await;
        let (meter, began) = (Meter::start(server.pid()), std::time::Instant::now());
        match side {
            "ours" => ours::deliver(&queue, "due", TOTAL).await,
            _ => limit.clone().deliver(TOTAL, BATCH).await,
        }
        let (took, spent) = (began.elapsed(), meter.stop(operations));
        println!("{side}: {:.0}/s {spent}", Unit::OpsPerSec.figure(operations, took));
        println!("{}", limit.statistics().await);
    }
}
