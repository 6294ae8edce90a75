//! A queue per key within the process: of all its callers that wait for a lock, one contends for it on the backend.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::key::LockKey;
use crate::registry::{Entry, Registry};

/// Lets one through at a time, in the order of arrival.
#[derive(Debug)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

pub(crate) type Gates = Registry<LockKey, Gate>;

/// A place in the queue of a key, and later the pass through its gate. Dropping it lets the next one through.
#[derive(Debug)]
pub(crate) struct Ticket {
    // The order matters: the gate is opened before it is forgotten.
    pass: Option<OwnedSemaphorePermit>,
    gate: Entry<LockKey, Gate>,
}

impl Ticket {
    pub(crate) fn new(gates: &Gates, key: &LockKey) -> Self {
        Self { pass: None, gate: gates.enter(key) }
    }

    /// Passes if nobody else is in the way.
    pub(crate) fn try_pass(&mut self) -> bool {
        self.pass = self.gate.value().and_then(|gate| Arc::clone(&gate.0).try_acquire_owned().ok());
        self.pass.is_some()
    }

    /// Waits in the order of arrival.
    pub(crate) async fn pass(&mut self) {
        if let Some(gate) = self.gate.value() {
            // The gate is never closed.
            self.pass = Arc::clone(&gate.0).acquire_owned().await.ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    #[tokio::test]
    async fn one_at_a_time_in_order_and_nothing_stays() {
        let gates = Gates::default();
        let key = LockKey::new("key").unwrap();
        let mut first = Ticket::new(&gates, &key);
        assert!(first.try_pass());
        let mut second = Ticket::new(&gates, &key);
        assert!(!second.try_pass());
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for number in 0..10 {
            let (mut ticket, order) = (Ticket::new(&gates, &key), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                ticket.pass().await;
                order.lock().push(number);
            }));
            tokio::task::yield_now().await;
        }
        tasks.remove(3).abort();
        drop((second, first));
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock(), [0, 1, 2, 4, 5, 6, 7, 8, 9]);
        assert_eq!(gates.len(), 0);
    }
}
