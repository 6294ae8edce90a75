//! The task that writes.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};

use futures_util::FutureExt;
use tokio::time::{sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::queue::Queue;
use super::{Pace, WriteSink};
use crate::inner::Inner;
use crate::key::CacheKey;
use crate::telemetry;

/// So many attempts in a row may fail once the manager is shut down; then what waits is given up.
const LAST_ATTEMPTS: u32 = 5;

pub(super) struct Writer<K: CacheKey, V: Send + Sync + 'static> {
    pub(super) queue: Arc<Queue<K, V>>,
    pub(super) pace: Pace,
    pub(super) sink: Arc<dyn WriteSink<K, V>>,
    pub(super) cache: Weak<Inner<K, V>>,
    pub(super) name: Arc<str>,
    pub(super) stop: CancellationToken,
    /// The last handle of the cache was dropped.
    pub(super) gone: CancellationToken,
}

impl<K: CacheKey, V: Send + Sync + 'static> Writer<K, V> {
    pub(super) async fn run(self) {
        let mut failures = 0;
        loop {
            let ending = self.stop.is_cancelled() || self.gone.is_cancelled();
            if ending {
                self.queue.close();
            }
            let Some(due) = self.queue.due(self.pace.batch, self.pace.delay) else {
                if ending {
                    return;
                }
                tokio::select! {
                    () = self.queue.wake.notified() => {}
                    () = self.stop.cancelled() => {}
                    () = self.gone.cancelled() => {}
                }
                continue;
            };
            tokio::select! {
                biased;
                () = sleep_until(due) => {}
                () = self.queue.wake.notified() => continue,
                () = self.stop.cancelled(), if !ending => continue,
                () = self.gone.cancelled(), if !ending => continue,
            }
            if self.write().await {
                failures = 0;
                continue;
            }
            failures += 1;
            if ending && failures >= LAST_ATTEMPTS {
                let lost = self.queue.abandon();
                telemetry::unwritten_lost(&self.name, lost);
                return warn!(cache = %self.name, lost, "values were never written to the source");
            }
            let (min, max) = self.pace.pause;
            let pause = min.saturating_mul(1 << (failures - 1).min(16)).min(max);
            tokio::select! {
                () = sleep(pause) => {}
                () = self.stop.cancelled(), if !ending => {}
                () = self.gone.cancelled(), if !ending => {}
            }
        }
    }

    /// Writes a batch.
    async fn write(&self) -> bool {
        let taken = self.queue.take(self.pace.batch);
        // A sink that panics must not end the only task that writes.
        let write = AssertUnwindSafe(self.sink.write(&taken.entries)).catch_unwind();
        let error = match timeout(self.pace.timeout, write).await {
            Ok(Ok(Ok(()))) => {
                telemetry::written_behind(&self.name, taken.entries.len());
                self.done(taken).await;
                return true;
            }
            Ok(Ok(Err(error))) => error,
            Ok(Err(_)) => "the sink panicked".into(),
            Err(_) => "the source did not answer in time".into(),
        };
        telemetry::write_behind_failed(&self.name);
        warn!(cache = %self.name, entries = taken.entries.len(), %error, "written behind later");
        self.queue.put_back(taken);
        false
    }

    async fn done(&self, taken: super::queue::Taken<K, V>) {
        let Some(cache) = self.cache.upgrade() else {
            self.queue.done(taken, std::time::Duration::MAX);
            return;
        };
        // What waited so long that the shared level may have forgotten it can have been loaded from the source by others,
        // in its old state.
        let late = self.queue.done(taken, (cache.policy.ttl / 2).min(cache.policy.idle.unwrap_or(cache.policy.ttl)));
        for key in late {
            let place = cache.place(&key, &key.key_bytes());
            if let Err(error) = cache.evict_place(&place).await {
                debug!(cache = %self.name, %error, "evicted later");
            }
        }
    }
}
