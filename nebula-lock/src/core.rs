//! What all clones of a manager share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::alarm::Alarm;
use crate::gate::Gates;
use crate::lock::DistributedLock;
use crate::reentrant::Owned;

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) backend: Arc<dyn DistributedLock>,
    /// Everybody who has, or may have, something on the backend.
    pub(crate) tasks: TaskTracker,
    /// No new locks. Every request looks at this.
    closed: AtomicBool,
    pub(crate) closing: CancellationToken,
    /// The time for releasing is over.
    pub(crate) forced: CancellationToken,
    pub(crate) gates: Gates,
    /// The holds of owners that callers named themselves.
    pub(crate) owned: Owned,
    pub(crate) held: Gauge,
    pub(crate) waiting: Gauge,
    /// One for each runtime on which locks were taken.
    alarms: Mutex<Vec<Arc<Alarm>>>,
    /// Ends the alarms.
    over: CancellationToken,
}

impl Core {
    pub(crate) fn new(backend: Arc<dyn DistributedLock>) -> Arc<Self> {
        Arc::new(Self {
            backend,
            tasks: TaskTracker::new(),
            closed: AtomicBool::new(false),
            closing: CancellationToken::new(),
            forced: CancellationToken::new(),
            gates: Gates::default(),
            owned: Owned::default(),
            held: Gauge::default(),
            waiting: Gauge::default(),
            alarms: Mutex::default(),
            over: CancellationToken::new(),
        })
    }

    /// Refuses new locks, and tells those who wait.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.closing.cancel();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The alarm of this runtime.
    pub(crate) fn alarm(&self, runtime: &Handle) -> Arc<Alarm> {
        let mut alarms = self.alarms.lock();
        if let Some(alarm) = alarms.iter().find(|alarm| alarm.runtime.id() == runtime.id()) {
            return Arc::clone(alarm);
        }
        alarms.retain(|alarm| !alarm.has_ended());
        let alarm = Alarm::start(runtime.clone(), self.over.clone(), self.forced.clone());
        alarms.push(Arc::clone(&alarm));
        alarm
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.over.cancel();
    }
}

/// Counts what is alive now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gauge(Arc<AtomicUsize>);

impl Gauge {
    /// Counts one until the result is dropped.
    pub(crate) fn enter(&self) -> Counted {
        self.0.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(&self.0))
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
pub(crate) struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
