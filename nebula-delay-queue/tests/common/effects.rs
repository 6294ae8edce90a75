//! What handlers bring about, counted; and what servers and connections do to that.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]
#![allow(dead_code, reason = "not every test file needs everything")]

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use nebula_delay_queue::{DelayMessage, DelayQueue, MemoryIdempotency, MessageId, Received, RetryPolicy};
use nebula_test_support::{TcpProxy, eventually};
use parking_lot::Mutex;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

/// Longer than a broker waits before it sends again what was on its way when it died, whatever it is configured to.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);
pub(crate) const QUEUE: &str = "order.timeout";

/// How often each message took effect.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(Arc<Mutex<HashMap<MessageId, usize>>>);

impl Seen {
    pub(crate) fn note(&self, id: &MessageId) {
        *self.0.lock().entry(id.clone()).or_default() += 1;
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().len()
    }

    pub(crate) fn counts(&self) -> BTreeMap<String, usize> {
        self.0.lock().iter().map(|(id, count)| (id.to_string(), *count)).collect()
    }

    pub(crate) fn handler(&self) -> impl Fn(Received<u64>) -> std::future::Ready<()> + Send + Sync + 'static + use<> {
        let seen = self.clone();
        move |message: Received<u64>| {
            seen.note(message.id());
            std::future::ready(())
        }
    }

    /// Every one of them has come, and none is a dead letter.
    pub(crate) async fn all(&self, queue: &DelayQueue, ids: &[MessageId]) {
        eventually(PATIENCE, async || {
            let seen = self.0.lock();
            let missing = ids.iter().filter(|id| !seen.contains_key(id)).count();
            if missing == 0 { Ok(()) } else { Err(format!("{missing} of {} have not come", ids.len())) }
        })
        .await;
        // Some of these queues have little patience with a server that is slow.
        let dead =
            eventually(PATIENCE, async || queue.dead_letters(QUEUE, 0, 10).await.map_err(|error| format!("{error:?}")));
        assert_eq!(dead.await.len(), 0);
    }

    /// Every one of them took effect, once, and nothing else did.
    pub(crate) async fn once_each(&self, queue: &DelayQueue, ids: &[MessageId]) {
        self.all(queue, ids).await;
        // What comes twice has come by then.
        idle(queue).await;
        let expected: BTreeMap<_, _> = ids.iter().map(|id| (id.to_string(), 1)).collect();
        let counts = self.counts();
        let wrong: Vec<_> = counts.iter().filter(|(id, count)| expected.get(*id) != Some(count)).collect();
        assert!(wrong.is_empty(), "one effect each: {wrong:?}");
    }
}

/// Nothing waits any more, and nothing is in work.
pub(crate) async fn idle(queue: &DelayQueue) {
    eventually(PATIENCE, async || match queue.stats(QUEUE).await {
        Ok(stats) if stats.is_idle() => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

/// Sends a message until the backend confirms it: whoever is not sure that it was stored sends it again.
pub(crate) async fn send(queue: &DelayQueue, number: u64, delay: Duration) -> MessageId {
    let message = DelayMessage::builder().body(number).id(number.to_string()).delay(delay).build().unwrap();
    while let Err(error) = queue.send(QUEUE, &message).await {
        assert!(error.is_retryable(), "{error:?}");
        sleep(Duration::from_millis(20)).await;
    }
    message.id().clone()
}

/// A worker whose handlers take a while, senders, and what happens to them.
pub(crate) struct Run {
    queue: DelayQueue,
    count: u64,
    seen: Seen,
    confirmed: Arc<AtomicU64>,
    sending: JoinHandle<Vec<MessageId>>,
}

impl Run {
    /// Sends that many messages, with all delays below `spread`.
    pub(crate) fn start(queue: DelayQueue, count: u64, spread: Duration, lease: Duration) -> Self {
        let seen = Seen::default();
        let record = seen.clone();
        let handler = move |message: Received<u64>| {
            let record = record.clone();
            async move {
                sleep(Duration::from_millis(2)).await;
                record.note(message.id());
            }
        };
        // A claim whose answer is lost counts as an attempt, and so does a connection that is given up because a busy server
        // did not answer in time: how often that happens is the machine's affair.
        let retry = RetryPolicy::fixed(1000, Duration::from_millis(50));
        let worker = queue.worker(QUEUE).unwrap().concurrency(4).lease(lease).retry(retry).handle(handler);
        worker.idempotent(MemoryIdempotency::new()).start().unwrap();
        let confirmed = Arc::new(AtomicU64::new(0));
        let sending = tokio::spawn({
            let (queue, confirmed) = (queue.clone(), Arc::clone(&confirmed));
            async move {
                let mut ids = Vec::new();
                for number in 0..count {
                    let delay = number * 37 % u64::try_from(spread.as_millis()).unwrap();
                    ids.push(send(&queue, number, Duration::from_millis(delay)).await);
                    confirmed.store(number + 1, Ordering::SeqCst);
                    sleep(Duration::from_millis(2)).await;
                }
                ids
            }
        });
        Self { queue, count, seen, confirmed, sending }
    }

    /// Waits until so many eighths of the messages are confirmed.
    async fn part(&self, eighths: u64) {
        eventually(PATIENCE, async || self.confirmed.load(Ordering::SeqCst) > self.count / 8 * eighths).await;
    }

    /// The server dies twice while messages are sent and handled.
    pub(crate) async fn deaths(self, mut die: impl AsyncFnMut()) {
        for deaths in 1..=2 {
            self.part(deaths * 2).await;
            die().await;
        }
        self.end().await;
    }

    /// The connections through this proxy break in every way that they can. For `silence`, nothing comes through.
    pub(crate) async fn cuts(self, proxy: &TcpProxy, silence: Duration) {
        self.part(1).await;
        proxy.reset_connections().await;
        self.part(2).await;
        proxy.black_hole_replies();
        sleep(Duration::from_secs(1)).await;
        proxy.heal().await;
        self.part(3).await;
        proxy.black_hole();
        sleep(silence).await;
        proxy.heal().await;
        self.part(4).await;
        proxy.cut().await;
        sleep(Duration::from_millis(500)).await;
        proxy.heal().await;
        self.end().await;
    }

    /// Every confirmed message takes effect, once.
    async fn end(self) {
        let ids = timeout(PATIENCE, self.sending).await.unwrap().unwrap();
        self.seen.once_each(&self.queue, &ids).await;
        self.queue.shutdown(PATIENCE).await;
    }
}
