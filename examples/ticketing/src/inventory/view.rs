//! The present state of all seats for everybody who asks, read once for all who wait.

use std::{collections::HashMap, sync::Arc};

use axum::body::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::{sync::Mutex as Turn, time::Instant};

use super::{Counts, Cursor, SeatState, Snapshot, feed::CountsView};
use crate::{ids::SessionId, problem::Problem};

/// All seats of a session.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct SeatsView {
    /// Where the live stream goes on: `<epoch>-<sequence>`.
    #[schema(value_type = String, example = "1790000000000000-42")]
    cursor: Cursor,
    counts: CountsView,
    /// One letter for each position of the seat map: `A` available, `L` locked, `S` sold.
    #[schema(example = "AALSA")]
    states: String,
}

impl From<Snapshot> for SeatsView {
    fn from(snapshot: Snapshot) -> Self {
        Self {
            cursor: snapshot.cursor,
            counts: snapshot.counts().into(),
            states: snapshot.states.iter().map(|state| SeatState::letter(*state)).collect(),
        }
    }
}

/// Answers written once for all who asked before the ledger was read, and again only when a seat has changed. So an answer
/// is never older than its question, and a thousand visitors at once cost two looks at the ledger.
#[derive(Debug, Default)]
pub(super) struct Views {
    sessions: Mutex<HashMap<SessionId, Arc<Slot>>>,
}

#[derive(Debug, Default)]
struct Slot {
    written: Mutex<Option<Written>>,
    /// Whoever looks or reads; the others wait for what it finds.
    turn: Turn<()>,
}

#[derive(Clone, Debug)]
struct Written {
    /// When the ledger was asked about it last.
    asked: Instant,
    cursor: Cursor,
    json: Bytes,
}

impl Views {
    /// The answer of a reading that begins after this call. `at_hand` is where the session stands, if that is known
    /// already; `look` finds it out.
    pub(super) async fn get<L, R>(
        &self,
        session: SessionId,
        at_hand: Option<Cursor>,
        look: impl FnOnce() -> L + Send,
        read: impl FnOnce() -> R + Send,
    ) -> Result<Bytes, Problem>
    where
        L: Future<Output = Result<Counts, Problem>> + Send,
        R: Future<Output = Result<Snapshot, Problem>> + Send,
    {
        let called = Instant::now();
        let slot = Arc::clone(self.sessions.lock().entry(session).or_default());
        if let Some(cursor) = at_hand
            && let Some(json) = slot.standing(|written| written.cursor == cursor)
        {
            return Ok(json);
        }
        let _turn = slot.turn.lock().await;
        if let Some(json) = slot.standing(|written| written.asked >= called) {
            return Ok(json);
        }
        let written = slot.written.lock().clone();
        if let Some(written) = written {
            let asked = Instant::now();
            if look().await?.cursor == written.cursor {
                let json = written.json.clone();
                *slot.written.lock() = Some(Written { asked, ..written });
                return Ok(json);
            }
        }
        let asked = Instant::now();
        let read = read().await.and_then(|snapshot| {
            let cursor = snapshot.cursor;
            let json = serde_json::to_vec(&SeatsView::from(snapshot)).map_err(Problem::internal)?;
            Ok(Written { asked, cursor, json: json.into() })
        });
        match read {
            Ok(written) => Ok(slot.written.lock().insert(written).json.clone()),
            Err(problem) => {
                // Perhaps there is no such session: keep nothing of it.
                self.sessions.lock().remove(&session);
                Err(problem)
            }
        }
    }
}

impl Slot {
    fn standing(&self, is_good: impl FnOnce(&Written) -> bool) -> Option<Bytes> {
        let written = self.written.lock();
        written.as_ref().filter(|written| is_good(written)).map(|written| written.json.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn it_is_written_again_only_when_a_seat_has_changed() {
        let (views, session) = (Views::default(), SessionId::new());
        let (reads, sequence) = (AtomicU32::new(0), AtomicU32::new(1));
        let cursor = || Cursor { epoch: 1, sequence: sequence.load(Ordering::Relaxed).into() };
        let ask = || {
            let look = || async { Ok(Counts { cursor: cursor(), seats: 2, locked: 0, sold: 0 }) };
            let read = || async {
                reads.fetch_add(1, Ordering::Relaxed);
                Ok(Snapshot { cursor: cursor(), states: vec![SeatState::Available; 2] })
            };
            views.get(session, None, look, read)
        };
        let first = ask().await.unwrap();
        assert_eq!((ask().await.unwrap(), reads.load(Ordering::Relaxed)), (first.clone(), 1));
        sequence.store(2, Ordering::Relaxed);
        let second = ask().await.unwrap();
        assert_ne!(second, first);
        assert_eq!((ask().await.unwrap(), reads.load(Ordering::Relaxed)), (second.clone(), 2));
        let never = || async { Err(Problem::not_found("nobody is asked")) };
        let none = || async { Err::<Snapshot, _>(Problem::not_found("nobody is asked")) };
        assert_eq!(views.get(session, Some(cursor()), never, none).await.unwrap(), second);
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_not_kept() {
        let (views, session) = (Views::default(), SessionId::new());
        let counts = || async { Err::<Counts, _>(Problem::not_found("session")) };
        for _ in 0..2 {
            let asked = views.get(session, None, counts, || async { Err(Problem::not_found("session")) }).await;
            assert!(asked.is_err());
        }
        assert!(views.sessions.lock().is_empty());
    }
}
