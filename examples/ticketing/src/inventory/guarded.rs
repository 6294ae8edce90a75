//! A ledger that is left alone for a while when it fails: orders are refused at once instead of waiting for it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::{
    Changes, Counts, Cursor, Hold, HoldRequest, LedgerError, LedgerImage, Load, SeatLedger, Settled, Snapshot,
};
use crate::{
    breaker::{Breaker, Circuit, LeftAlone},
    ids::{OrderId, SessionId},
};

/// A [`SeatLedger`] behind a circuit breaker. Only new holds are refused: what frees and sells seats is tried again by those
/// who ask for it.
#[derive(Debug)]
pub struct GuardedLedger {
    inner: Arc<dyn SeatLedger>,
    breaker: Breaker,
}

impl GuardedLedger {
    /// This one; `name` is its metric's.
    #[must_use]
    pub fn new(inner: Arc<dyn SeatLedger>, name: &'static str) -> Self {
        let asked = Arc::clone(&inner);
        let look = move || -> BoxFuture<'static, bool> {
            let ledger = Arc::clone(&asked);
            // A session that does not exist: the ledger has to look, and there is nothing to load.
            Box::pin(async move { ledger.counts(SessionId(uuid::Uuid::nil())).await.is_ok() })
        };
        Self { inner, breaker: Breaker::new(name).looking(look) }
    }

    /// What guards it.
    #[must_use]
    pub fn circuit(&self) -> Circuit {
        self.breaker.circuit()
    }
}

impl From<LeftAlone> for LedgerError {
    fn from(refused: LeftAlone) -> Self {
        Self::Unavailable { context: "hold seats", source: refused.into() }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods, reason = "each method has to be passed on")]
impl SeatLedger for GuardedLedger {
    async fn hold(&self, request: &HoldRequest) -> Result<Hold, LedgerError> {
        self.breaker.call(self.inner.hold(request), |_| true).await
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
        self.inner.load(session, image).await
    }

    async fn snapshot(&self, session: SessionId) -> Result<Option<Snapshot>, LedgerError> {
        self.inner.snapshot(session).await
    }

    async fn counts(&self, session: SessionId) -> Result<Option<Counts>, LedgerError> {
        self.inner.counts(session).await
    }

    fn at_hand(&self, session: SessionId) -> Option<Cursor> {
        self.inner.at_hand(session)
    }

    async fn changes(&self, session: SessionId, cursor: Cursor) -> Result<Changes, LedgerError> {
        self.inner.changes(session, cursor).await
    }

    async fn holds(&self, session: SessionId, age: Duration, limit: usize) -> Result<Vec<OrderId>, LedgerError> {
        self.inner.holds(session, age, limit).await
    }

    fn watch(&self, session: SessionId) -> watch::Receiver<()> {
        self.inner.watch(session)
    }
}
