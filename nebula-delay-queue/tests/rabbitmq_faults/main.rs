//! RabbitMQ: killed brokers and workers, dead links, alarms, missing queues, wrong clocks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod broker;
#[path = "../common/effects.rs"]
mod effects;
#[path = "../common/killed.rs"]
mod killed;
mod ledger;
mod messages;
mod worker;

use std::time::Duration;

use nebula_delay_queue::{DelayQueue, RabbitDelayQueue, RabbitOptions};
use nebula_test_support::unique;

use self::effects::{PATIENCE, QUEUE, Run, Seen, idle, send};

/// With patience: a send that is given up and tried again makes a second message, and a busy broker is slow in declaring queues.
fn options(url: String) -> RabbitOptions {
    RabbitDelayQueue::options(url).timeout(Duration::from_secs(60))
}

/// More than a busy broker takes for an answer, and less than a test can wait for one.
const HASTE: Duration = Duration::from_secs(6);

/// With queues that no other test uses.
async fn connect(url: String) -> DelayQueue {
    connect_as(url, &unique("t")).await
}

/// As [`connect`], and soon out of patience.
async fn hasty(url: String) -> DelayQueue {
    let queue = connect(url.clone()).await;
    // The broker is slow in declaring queues; from here on it is not.
    send(&queue, 0, Duration::from_secs(5)).await;
    let prefix = unique("t").as_str().try_into().unwrap();
    DelayQueue::new(options(url).timeout(HASTE).queue_prefix(prefix).connect().await.unwrap())
}

async fn connect_as(url: String, prefix: &str) -> DelayQueue {
    let prefix = prefix.try_into().unwrap();
    DelayQueue::new(options(url).queue_prefix(prefix).connect().await.unwrap())
}
