//! Hints that end a worker's sleep early.

use std::{collections::HashMap, fmt, future::pending, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::QueueName;

/// A subscription to hints about one queue.
///
/// Hints that come while nobody waits are remembered (as one), so subscribing before a claim loses none.
#[derive(Debug)]
pub struct Wakeups(Option<watch::Receiver<()>>);

impl Wakeups {
    /// A subscription that never hints.
    #[must_use]
    pub const fn never() -> Self {
        Self(None)
    }

    /// Waits for the next hint.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a hint is consumed only when the future completes.
    pub async fn next(&mut self) {
        let open = match &mut self.0 {
            Some(receiver) => receiver.changed().await.is_ok(),
            None => false,
        };
        if !open {
            self.0 = None;
            pending::<()>().await;
        }
    }
}

/// Distributes hints within this process; the building block of backends.
///
/// It remembers per queue what the sleepers wait for, and wakes them only for something earlier.
#[derive(Clone, Default)]
pub struct WakeupHub(Arc<Mutex<HashMap<QueueName, Slot>>>);

struct Slot {
    hint: watch::Sender<()>,
    /// Nobody needs waking for what is due at this time (in milliseconds) or later.
    head: u64,
}

impl WakeupHub {
    /// Subscribes to the hints of a queue.
    #[must_use]
    pub fn subscribe(&self, queue: &QueueName) -> Wakeups {
        let mut slots = self.0.lock();
        let slot = slots.entry(queue.clone()).or_insert_with(|| Slot { hint: watch::Sender::new(()), head: u64::MAX });
        // A newcomer has heard nothing yet.
        slot.head = u64::MAX;
        Wakeups(Some(slot.hint.subscribe()))
    }

    /// Says that something is due at `due_ms`; wakes the sleepers if that is news to them.
    pub fn offer(&self, queue: &QueueName, due_ms: u64) {
        if let Some(slot) = self.0.lock().get_mut(queue)
            && due_ms < slot.head
        {
            slot.head = due_ms;
            slot.hint.send_replace(());
        }
    }

    /// Says what a claim found to be due next, which is what the sleepers wait for from now on.
    pub fn observe(&self, queue: &QueueName, next_ms: Option<u64>) {
        if let Some(slot) = self.0.lock().get_mut(queue) {
            slot.head = next_ms.unwrap_or(u64::MAX);
        }
    }

    /// Wakes the sleepers of a queue regardless.
    pub fn notify(&self, queue: &QueueName) {
        if let Some(slot) = self.0.lock().get(queue) {
            slot.hint.send_replace(());
        }
    }

    /// Whether anybody listens to hints about a queue.
    #[must_use]
    pub fn has_subscribers(&self, queue: &QueueName) -> bool {
        self.0.lock().get(queue).is_some_and(|slot| slot.hint.receiver_count() > 0)
    }

    /// Wakes all sleepers, for example after a connection was lost and hints with it.
    pub fn notify_all(&self) {
        for slot in self.0.lock().values() {
            slot.hint.send_replace(());
        }
    }
}

impl fmt::Debug for WakeupHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WakeupHub").field("queues", &self.0.lock().len()).finish()
    }
}
