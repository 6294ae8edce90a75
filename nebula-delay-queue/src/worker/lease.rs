//! The leases that a worker holds, and what keeps them alive.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until, timeout},
};

use super::Signal;
use crate::{DelayQueueBackend, QueueName, Receipt, Settled, error::chain, telemetry};

/// One lease, as this process believes it to be.
#[derive(Debug)]
pub(super) struct Lease {
    /// Counted from before the request was sent, on the monotonic clock: an underestimate of the backend's own.
    valid_until: Mutex<Instant>,
    pub(super) lost: Signal,
}

impl Lease {
    /// Completes when the lease is lost or over.
    pub(super) async fn ended(&self) {
        loop {
            let until = *self.valid_until.lock();
            if Instant::now() >= until {
                self.lost.cancel();
            }
            tokio::select! {
                () = self.lost.cancelled() => return,
                () = sleep_until(until) => {}
            }
        }
    }

    pub(super) fn is_valid(&self) -> bool {
        !self.lost.is_cancelled() && Instant::now() < *self.valid_until.lock()
    }

    /// Whether it is held. Once it is not, it is lost for good, even if the backend knows better.
    pub(super) fn check(&self) -> bool {
        let valid = self.is_valid();
        if !valid {
            self.lost.cancel();
        }
        valid
    }
}

/// All leases of a worker.
#[derive(Debug)]
pub(super) struct Held {
    queue: QueueName,
    leases: Mutex<HashMap<Receipt, Arc<Lease>>>,
    freed: Notify,
}

impl Held {
    pub(super) fn new(queue: QueueName) -> Self {
        Self { queue, leases: Mutex::default(), freed: Notify::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.leases.lock().len()
    }

    pub(super) fn insert(&self, receipts: impl Iterator<Item = Receipt>, valid_until: Instant) -> Vec<Arc<Lease>> {
        let lease = || Arc::new(Lease { valid_until: Mutex::new(valid_until), lost: Signal::new() });
        let mut leases = self.leases.lock();
        let added = receipts.map(|receipt| {
            let lease = lease();
            leases.insert(receipt, Arc::clone(&lease));
            lease
        });
        let added = added.collect();
        telemetry::in_flight(&self.queue, leases.len());
        added
    }

    pub(super) fn get(&self, receipt: &Receipt) -> Option<Arc<Lease>> {
        self.leases.lock().get(receipt).cloned()
    }

    pub(super) fn remove(&self, receipts: &[Receipt]) {
        let mut leases = self.leases.lock();
        for receipt in receipts {
            leases.remove(receipt);
        }
        telemetry::in_flight(&self.queue, leases.len());
        drop(leases);
        self.freed.notify_one();
    }

    /// Waits until at most `limit` leases are held. Only one task may wait.
    pub(super) async fn at_most(&self, limit: usize) {
        while self.len() > limit {
            self.freed.notified().await;
        }
    }

    /// Extends all leases every third of their length, until dropped.
    pub(super) async fn keep_alive(&self, backend: &dyn DelayQueueBackend, lease: Duration) {
        let beat = lease / 3;
        loop {
            tokio::time::sleep(beat).await;
            let receipts: Vec<_> = self.leases.lock().keys().cloned().collect();
            if receipts.is_empty() {
                continue;
            }
            let sent = Instant::now();
            match timeout(beat, backend.extend(&self.queue, &receipts, lease)).await {
                Ok(Ok(results)) => {
                    for (receipt, result) in receipts.iter().zip(results) {
                        // Settled in the meantime: whatever the backend says about it is of no interest.
                        let Some(held) = self.get(receipt) else { continue };
                        match result {
                            Settled::Done => *held.valid_until.lock() = sent + lease,
                            Settled::Stale => held.lost.cancel(),
                        }
                    }
                }
                Ok(Err(error)) => {
                    telemetry::worker_error(&self.queue, "extend");
                    tracing::warn!(queue = %self.queue, error = chain(&error), "could not extend leases");
                }
                Err(_) => {
                    telemetry::worker_error(&self.queue, "extend");
                    tracing::warn!(queue = %self.queue, "extending leases took too long");
                }
            }
        }
    }
}
