//! Two ledgers behind one door: shows and flash sales do not notice when the other one's fails.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::watch;

use super::kinds::{Kind, Kinds};
use crate::{
    ids::{OrderId, SessionId},
    inventory::{
        Changes, Counts, Cursor, Hold, HoldRequest, LedgerError, LedgerImage, Load, SeatLedger, Settled, Snapshot,
    },
};

/// A [`SeatLedger`] that asks the one of the session's domain.
#[derive(Debug)]
pub struct RoutedLedger {
    kinds: Kinds,
    show: Arc<dyn SeatLedger>,
    flash: Arc<dyn SeatLedger>,
}

impl RoutedLedger {
    /// These two, told apart so.
    #[must_use]
    pub fn new(kinds: Kinds, show: Arc<dyn SeatLedger>, flash: Arc<dyn SeatLedger>) -> Self {
        Self { kinds, show, flash }
    }

    async fn of(&self, session: SessionId) -> Result<&Arc<dyn SeatLedger>, LedgerError> {
        let kind = self.kinds.of(session).await.map_err(|problem| LedgerError::Unavailable {
            context: "find the domain of a session",
            source: problem.into(),
        })?;
        Ok(match kind {
            Kind::Show => &self.show,
            Kind::Flash => &self.flash,
        })
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods, reason = "each method has to be routed")]
impl SeatLedger for RoutedLedger {
    async fn hold(&self, request: &HoldRequest) -> Result<Hold, LedgerError> {
        self.of(request.session).await?.hold(request).await
    }

    async fn release(&self, session: SessionId, order: OrderId) -> Result<Settled, LedgerError> {
        self.of(session).await?.release(session, order).await
    }

    async fn expire(&self, session: SessionId, order: OrderId, age: Duration) -> Result<Settled, LedgerError> {
        self.of(session).await?.expire(session, order, age).await
    }

    async fn sell(&self, session: SessionId, order: OrderId) -> Result<Settled, LedgerError> {
        self.of(session).await?.sell(session, order).await
    }

    async fn refund(&self, session: SessionId, order: OrderId) -> Result<Settled, LedgerError> {
        self.of(session).await?.refund(session, order).await
    }

    async fn load(&self, session: SessionId, image: &LedgerImage) -> Result<Load, LedgerError> {
        self.of(session).await?.load(session, image).await
    }

    async fn snapshot(&self, session: SessionId) -> Result<Option<Snapshot>, LedgerError> {
        self.of(session).await?.snapshot(session).await
    }

    async fn counts(&self, session: SessionId) -> Result<Option<Counts>, LedgerError> {
        self.of(session).await?.counts(session).await
    }

    fn at_hand(&self, _session: SessionId) -> Option<Cursor> {
        // Whose session it is may have to be asked.
        None
    }

    async fn changes(&self, session: SessionId, cursor: Cursor) -> Result<Changes, LedgerError> {
        self.of(session).await?.changes(session, cursor).await
    }

    async fn holds(&self, session: SessionId, age: Duration, limit: usize) -> Result<Vec<OrderId>, LedgerError> {
        self.of(session).await?.holds(session, age, limit).await
    }

    fn watch(&self, session: SessionId) -> watch::Receiver<()> {
        let (sender, receiver) = watch::channel(());
        let (kinds, show, flash) = (self.kinds.clone(), Arc::clone(&self.show), Arc::clone(&self.flash));
        tokio::spawn(async move {
            // Without the kind there are no hints; whoever listens looks on a timer too.
            let Ok(kind) = kinds.of(session).await else { return };
            let mut hints = match kind {
                Kind::Show => show.watch(session),
                Kind::Flash => flash.watch(session),
            };
            loop {
                tokio::select! {
                    changed = hints.changed() => if changed.is_err() { return },
                    () = sender.closed() => return,
                }
                sender.send_replace(());
            }
        });
        receiver
    }
}
