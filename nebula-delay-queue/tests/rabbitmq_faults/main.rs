//! RabbitMQ: killed brokers and workers, dead links, alarms, missing queues, wrong clocks.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod broker;
mod ledger;
mod messages;
mod worker;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use nebula_delay_queue::{DelayMessage, DelayQueue, MessageId, RabbitDelayQueue, RabbitOptions, Received};
use nebula_test_support::{eventually, unique};
use parking_lot::Mutex;
use tokio::time::sleep;

/// Longer than a broker waits before it sends again what was on its way when it died, whatever it is configured to.
const PATIENCE: Duration = Duration::from_secs(300);
const QUEUE: &str = "order.timeout";

fn options(url: String) -> RabbitOptions {
    RabbitDelayQueue::options(url).timeout(Duration::from_secs(20))
}

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
    DelayQueue::new(options(url).timeout(Duration::from_secs(3)).queue_prefix(prefix).connect().await.unwrap())
}

async fn connect_as(url: String, prefix: &str) -> DelayQueue {
    let prefix = prefix.try_into().unwrap();
    DelayQueue::new(options(url).queue_prefix(prefix).connect().await.unwrap())
}

/// How often each message was handled.
#[derive(Clone, Debug, Default)]
struct Seen(Arc<Mutex<HashMap<MessageId, usize>>>);

impl Seen {
    fn note(&self, id: &MessageId) {
        *self.0.lock().entry(id.clone()).or_default() += 1;
    }

    fn count(&self) -> usize {
        self.0.lock().len()
    }

    fn counts(&self) -> BTreeMap<String, usize> {
        self.0.lock().iter().map(|(id, count)| (id.to_string(), *count)).collect()
    }

    fn has_all(&self, ids: &[MessageId]) -> bool {
        let seen = self.0.lock();
        ids.iter().all(|id| seen.contains_key(id))
    }

    fn handler(&self) -> impl Fn(Received<u64>) -> std::future::Ready<()> + Send + Sync + 'static + use<> {
        let seen = self.clone();
        move |message: Received<u64>| {
            seen.note(message.id());
            std::future::ready(())
        }
    }

    /// Every one of them has come, and none is a dead letter.
    async fn all(&self, queue: &DelayQueue, ids: &[MessageId]) {
        eventually(PATIENCE, async || {
            let seen = self.0.lock();
            let missing = ids.iter().filter(|id| !seen.contains_key(id)).count();
            if missing == 0 { Ok(()) } else { Err(format!("{missing} of {} have not come", ids.len())) }
        })
        .await;
        assert_eq!(queue.dead_letters(QUEUE, 0, 10).await.unwrap().len(), 0);
    }
}

/// Sends a message until the broker confirms it.
async fn send(queue: &DelayQueue, number: u64, delay: Duration) -> MessageId {
    let message = DelayMessage::builder().body(number).id(number.to_string()).delay(delay).build().unwrap();
    while let Err(error) = queue.send(QUEUE, &message).await {
        assert!(error.is_retryable(), "{error:?}");
        sleep(Duration::from_millis(20)).await;
    }
    message.id().clone()
}
