//! The live stream of seat changes: one reader of the ledger for each session that somebody listens to.

mod listener;
mod reader;
mod update;

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

pub(super) use self::update::{BatchView, CountsView};
pub use self::{
    listener::Listener,
    update::{Batch, Update},
};
use self::{reader::Reader, update::coalesce};
use super::{Changes, Counts, Cursor, SeatLedger, rebuild::Rebuilder, sold_out::SoldOut};
use crate::{ids::SessionId, problem::Problem};

/// Updates that a slow listener may be behind, ten a second at most, before it has to start again.
const BUFFER: usize = 64;

/// The readers of this process.
#[derive(Debug)]
pub(super) struct Feeds {
    ledger: Arc<dyn SeatLedger>,
    rebuilder: Arc<Rebuilder>,
    sold_out: Arc<SoldOut>,
    stopping: CancellationToken,
    readers: Readers,
}

type Readers = Arc<Mutex<HashMap<SessionId, broadcast::Sender<Update>>>>;

impl Feeds {
    pub(super) fn new(
        ledger: Arc<dyn SeatLedger>,
        rebuilder: Arc<Rebuilder>,
        sold_out: Arc<SoldOut>,
        stopping: CancellationToken,
    ) -> Self {
        Self { ledger, rebuilder, sold_out, stopping, readers: Readers::default() }
    }

    /// Listens to a session. `now` are its counts, read just before; `after` is where an earlier stream ended.
    pub(super) async fn listen(
        &self,
        session: SessionId,
        now: Counts,
        after: Option<Cursor>,
    ) -> Result<Listener, Problem> {
        // First the stream, then the past: what happens in between is in both, and in order.
        let updates = self.join(session, now.cursor);
        let (first, seen) = match after {
            None => (None, now.cursor),
            Some(after) => self.since(session, after, now.cursor).await?,
        };
        Ok(Listener::new(updates, first, seen, self.stopping.clone()))
    }

    /// Joins the reader of the session, or starts one at `start`.
    fn join(&self, session: SessionId, start: Cursor) -> broadcast::Receiver<Update> {
        let mut readers = self.readers.lock();
        if let Some(sender) = readers.get(&session) {
            return sender.subscribe();
        }
        let (sender, receiver) = broadcast::channel(BUFFER);
        readers.insert(session, sender.clone());
        let reader = Reader {
            ledger: Arc::clone(&self.ledger),
            rebuilder: Arc::clone(&self.rebuilder),
            sold_out: Arc::clone(&self.sold_out),
            session,
            sender,
        };
        let (all, stopping) = (Arc::clone(&self.readers), self.stopping.clone());
        tokio::spawn(async move {
            reader.run(start, &all, &stopping).await;
        });
        receiver
    }

    /// What happened after `after`, and the place up to which that is known; a reset if it is not known any more.
    async fn since(&self, session: SessionId, after: Cursor, now: Cursor) -> Result<(Option<Update>, Cursor), Problem> {
        let (mut cursor, mut steps) = (after, Vec::new());
        loop {
            match self.ledger.changes(session, cursor).await? {
                Changes::Reset => return Ok((Some(Update::Reset), now)),
                Changes::Since { cursor: next, seats, counts } => {
                    steps.extend(seats);
                    if next == cursor {
                        let first = coalesce(steps).map(|seats| Update::Seats(Batch::new(cursor, seats, counts)));
                        return Ok((first, cursor));
                    }
                    cursor = next;
                }
            }
        }
    }
}
