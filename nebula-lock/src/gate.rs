//! A queue per key within the process: of all its callers that wait for a lock, one contends for it on the backend.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::error::{Error, ErrorKind};
use crate::key::LockKey;
use crate::registry::{Entry, Registry};

/// Lets one through at a time, in the order of arrival.
#[derive(Debug)]
pub(crate) struct Gate {
    turn: Arc<Semaphore>,
    report: Mutex<Report>,
    changed: Notify,
}

/// What whoever is through has heard from the backend, for those who wait behind.
#[derive(Debug, Default)]
struct Report {
    asking: bool,
    /// When the backend last answered.
    answered: Option<Instant>,
    /// What it failed with since.
    failure: Option<(ErrorKind, String)>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), report: Mutex::default(), changed: Notify::new() }
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
        self.pass = self.gate.value().and_then(|gate| Arc::clone(&gate.turn).try_acquire_owned().ok());
        self.pass.is_some()
    }

    /// Waits in the order of arrival.
    pub(crate) async fn pass(&mut self) {
        if let Some(gate) = self.gate.value() {
            // The gate is never closed.
            self.pass = Arc::clone(&gate.turn).acquire_owned().await.ok();
        }
    }

    /// Tells those behind that the backend is being asked.
    pub(crate) fn asks(&self) {
        if let Some(gate) = self.gate.value() {
            gate.report.lock().asking = true;
        }
    }

    /// Tells those behind what came of it.
    pub(crate) fn heard(&self, failure: Option<&Error>) {
        let Some(gate) = self.gate.value() else { return };
        let mut report = gate.report.lock();
        report.asking = false;
        report.failure = failure.map(|error| (error.kind(), error.to_string()));
        if failure.is_none() {
            report.answered = Some(Instant::now());
        }
        drop(report);
        gate.changed.notify_waiters();
    }

    /// Why nobody can say that the lock was held by somebody else since `start`: the backend failed for whoever is ahead, or
    /// has not answered at all. A command under way is waited for, up to `limit`.
    pub(crate) async fn outage(&self, start: Instant, limit: Duration) -> Option<Error> {
        let gate = self.gate.value()?;
        let changed = gate.changed.notified();
        if !gate.report.lock().is_open(start) || timeout(limit, changed).await.is_ok() {
            return gate.report.lock().outage();
        }
        Some(Error::new(ErrorKind::Unavailable, "the backend has not answered the caller whose turn it is"))
    }
}

impl Report {
    fn is_open(&self, start: Instant) -> bool {
        self.asking && self.failure.is_none() && self.answered.is_none_or(|at| at < start)
    }

    fn outage(&self) -> Option<Error> {
        let (kind, text) = self.failure.as_ref()?;
        // Only the one ahead has sent a command whose outcome could be unknown.
        let kind = if *kind == ErrorKind::OutcomeUnknown { ErrorKind::Unavailable } else { *kind };
        Some(Error::new(kind, format!("the caller whose turn it is got: {text}")))
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
