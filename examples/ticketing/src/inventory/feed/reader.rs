//! The task that reads a session's changes for all listeners of this process.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{broadcast, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Batch, Readers, Update, coalesce};
use crate::{
    ids::SessionId,
    inventory::{Changes, Cursor, HINT_COVERS, SeatLedger, rebuild::Rebuilder, sold_out::SoldOut},
    problem::{Problem, chain},
};

/// Changes within this time become one update.
const COALESCE: Duration = Duration::from_millis(100);
const _: () = assert!(COALESCE.as_millis() > HINT_COVERS.as_millis(), "a hint may cover changes that are not read yet");
/// How often to look without a hint, in case one was lost.
const TICK: Duration = Duration::from_secs(1);

pub(super) struct Reader {
    pub(super) ledger: Arc<dyn SeatLedger>,
    pub(super) rebuilder: Arc<Rebuilder>,
    pub(super) sold_out: Arc<SoldOut>,
    pub(super) session: SessionId,
    pub(super) sender: broadcast::Sender<Update>,
}

impl Reader {
    /// Reads until nobody listens.
    pub(super) async fn run(self, start: Cursor, readers: &Readers, stopping: &CancellationToken) {
        let hints = self.ledger.watch(self.session);
        let mut cursor = start;
        loop {
            tokio::select! {
                () = self.read(&mut cursor, hints.clone()) => {}
                () = self.sender.closed() => {}
                () = stopping.cancelled() => {}
            }
            // Nobody may join between the question and the removal.
            let mut readers = readers.lock();
            if self.sender.receiver_count() == 0 || stopping.is_cancelled() {
                readers.remove(&self.session);
                return;
            }
        }
    }

    /// Never ends by itself. Where it is broken off, `cursor` says what has been sent.
    async fn read(&self, cursor: &mut Cursor, mut hints: watch::Receiver<()>) {
        let mut failing = false;
        loop {
            match self.send(cursor).await {
                Ok(()) => failing = false,
                Err(problem) if failing => {
                    tracing::debug!(session = %self.session, error = chain(&problem), "still no news of seats");
                }
                Err(problem) => {
                    failing = true;
                    tracing::warn!(session = %self.session, error = chain(&problem), "no news of seats for now");
                }
            }
            // A hint during the pause stays and leads to another round: it may cover changes that come after it.
            if timeout(TICK, hints.changed()).await.is_ok() {
                sleep(COALESCE).await;
            }
        }
    }

    /// Sends what is new since `cursor`.
    async fn send(&self, cursor: &mut Cursor) -> Result<(), Problem> {
        let (mut next, mut steps) = (*cursor, Vec::new());
        loop {
            match self.ledger.changes(self.session, next).await? {
                Changes::Since { cursor: end, seats, counts } => {
                    steps.extend(seats);
                    if end != next {
                        next = end;
                        continue;
                    }
                    self.sold_out.observe(self.session, &counts);
                    if let Some(seats) = coalesce(steps) {
                        self.tell(Update::Seats(Batch::new(next, seats, counts)));
                    }
                    *cursor = next;
                    return Ok(());
                }
                Changes::Reset => {
                    // First the new start, then the news: a snapshot that a listener takes after the news is younger.
                    *cursor = self.start_again().await?;
                    self.tell(Update::Reset);
                    return Ok(());
                }
            }
        }
    }

    async fn start_again(&self) -> Result<Cursor, Problem> {
        if let Some(counts) = self.ledger.counts(self.session).await? {
            return Ok(counts.cursor);
        }
        self.rebuilder.rebuild(self.session, 0).await?;
        let counts = self.ledger.counts(self.session).await?;
        counts.map(|counts| counts.cursor).ok_or_else(crate::inventory::rebuild::one_moment)
    }

    fn tell(&self, update: Update) {
        // That nobody listens any more is noticed elsewhere.
        let _ = self.sender.send(update);
    }
}
