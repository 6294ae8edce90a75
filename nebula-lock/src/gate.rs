//! A queue per key within the process: of all its callers that wait for a lock, one contends for it on the backend.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::key::LockKey;

#[derive(Clone, Debug, Default)]
pub(crate) struct Gates(Arc<Mutex<HashMap<LockKey, Arc<Semaphore>>>>);

/// A place in the queue of a key, and later the pass through its gate. Dropping it lets the next one through.
#[derive(Debug)]
pub(crate) struct Ticket {
    gates: Gates,
    key: LockKey,
    gate: Option<Arc<Semaphore>>,
    pass: Option<OwnedSemaphorePermit>,
}

impl Gates {
    pub(crate) fn enter(&self, key: &LockKey) -> Ticket {
        let mut gates = self.0.lock();
        let gate = gates.entry(key.clone()).or_insert_with(|| Arc::new(Semaphore::new(1)));
        let gate = Some(Arc::clone(gate));
        Ticket { gates: self.clone(), key: key.clone(), gate, pass: None }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().len()
    }
}

impl Ticket {
    /// Passes if nobody else is in the way.
    pub(crate) fn try_pass(&mut self) -> bool {
        self.pass = self.gate.as_ref().and_then(|gate| Arc::clone(gate).try_acquire_owned().ok());
        self.pass.is_some()
    }

    /// Waits in the order of arrival.
    pub(crate) async fn pass(&mut self) {
        if let Some(gate) = &self.gate {
            // The gate is never closed.
            self.pass = Arc::clone(gate).acquire_owned().await.ok();
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut gates = self.gates.0.lock();
        self.pass = None;
        self.gate = None;
        // Entering needs the same lock, so nobody can be on the way in.
        if gates.get(&self.key).is_some_and(|gate| Arc::strong_count(gate) == 1) {
            gates.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_at_a_time_in_order_and_nothing_stays() {
        let gates = Gates::default();
        let key = LockKey::new("key").unwrap();
        let mut first = gates.enter(&key);
        assert!(first.try_pass());
        let mut second = gates.enter(&key);
        assert!(!second.try_pass());
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for number in 0..10 {
            let (mut ticket, order) = (gates.enter(&key), Arc::clone(&order));
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
