//! A ledger that counts what it is asked and can be made to wait.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use ticketing::{
    ids::{OrderId, SessionId},
    inventory::{
        Changes, Counts, Cursor, Hold, HoldRequest, LedgerError, LedgerImage, Load, SeatLedger, Settled, Snapshot,
    },
};
use tokio::sync::{Semaphore, watch};

#[derive(Debug)]
pub(crate) struct Spy {
    inner: Arc<dyn SeatLedger>,
    /// A `load` takes a permit before it goes on.
    pub(crate) gate: Semaphore,
    /// Loads that came to the gate.
    pub(crate) loads: AtomicU32,
    /// Counts fail.
    pub(crate) deaf: AtomicBool,
    /// Questions for counts or changes.
    pub(crate) looks: AtomicU32,
}

impl Spy {
    /// With an open gate.
    pub(crate) fn open(inner: Arc<dyn SeatLedger>) -> Arc<Self> {
        Self::with_permits(inner, Semaphore::MAX_PERMITS)
    }

    /// With a closed gate.
    pub(crate) fn closed(inner: Arc<dyn SeatLedger>) -> Arc<Self> {
        Self::with_permits(inner, 0)
    }

    fn with_permits(inner: Arc<dyn SeatLedger>, permits: usize) -> Arc<Self> {
        Arc::new(Self {
            inner,
            gate: Semaphore::new(permits),
            loads: AtomicU32::new(0),
            deaf: AtomicBool::new(false),
            looks: AtomicU32::new(0),
        })
    }

    pub(crate) fn loads(&self) -> u32 {
        self.loads.load(Ordering::SeqCst)
    }

    pub(crate) fn looks(&self) -> u32 {
        self.looks.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl SeatLedger for Spy {
    async fn hold(&self, request: &HoldRequest) -> Result<Hold, LedgerError> {
        self.inner.hold(request).await
    }

    async fn release(&self, session: SessionId, order: OrderId) -> Result<Settled, LedgerError> {
        self.inner.release(session, order).await
    }

    async fn expire(&self, session: SessionId, order: OrderId, age: Duration) -> Result<Settled, LedgerError> {
        self.inner.expire(session, order, age).await
    }

    async fn sell(&self, session: SessionId, order: OrderId) -> Result<Settled, LedgerError> {
        self.inner.sell(session, order).await
    }

    async fn refund(&self, session: SessionId, order: OrderId) -> Result<Settled, LedgerError> {
        self.inner.refund(session, order).await
    }

    async fn load(&self, session: SessionId, image: &LedgerImage) -> Result<Load, LedgerError> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let _permit = self.gate.acquire().await.unwrap();
        self.inner.load(session, image).await
    }

    async fn snapshot(&self, session: SessionId) -> Result<Option<Snapshot>, LedgerError> {
        self.inner.snapshot(session).await
    }

    async fn counts(&self, session: SessionId) -> Result<Option<Counts>, LedgerError> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        if self.deaf.load(Ordering::SeqCst) {
            return Err(LedgerError::Unavailable { context: "count the seats", source: "deaf".into() });
        }
        self.inner.counts(session).await
    }

    async fn changes(&self, session: SessionId, cursor: Cursor) -> Result<Changes, LedgerError> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        self.inner.changes(session, cursor).await
    }

    async fn holds(&self, session: SessionId, age: Duration, limit: usize) -> Result<Vec<OrderId>, LedgerError> {
        self.inner.holds(session, age, limit).await
    }

    fn watch(&self, session: SessionId) -> watch::Receiver<()> {
        self.inner.watch(session)
    }
}
