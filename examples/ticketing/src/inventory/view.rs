//! The present state of all seats for everybody who asks, read once for all who wait.

use std::{collections::HashMap, sync::Arc};

use axum::body::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::{sync::Mutex as Turn, time::Instant};

use super::{Cursor, SeatState, Snapshot, feed::CountsView};
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

/// Answers written once for all who asked before the ledger was read. So an answer is never older than its question, and
/// a thousand visitors at once cost two readings.
#[derive(Debug, Default)]
pub(super) struct Views {
    sessions: Mutex<HashMap<SessionId, Arc<Slot>>>,
}

type Slot = Turn<Option<(Instant, Bytes)>>;

impl Views {
    /// The answer of a reading that begins after this call.
    pub(super) async fn get<R>(&self, session: SessionId, read: impl FnOnce() -> R + Send) -> Result<Bytes, Problem>
    where
        R: Future<Output = Result<Snapshot, Problem>> + Send,
    {
        let asked = Instant::now();
        let slot = Arc::clone(self.sessions.lock().entry(session).or_default());
        let mut last = slot.lock().await;
        if let Some((begun, view)) = &*last
            && *begun >= asked
        {
            return Ok(view.clone());
        }
        let begun = Instant::now();
        let read = read().await.and_then(|snapshot| {
            serde_json::to_vec(&SeatsView::from(snapshot)).map(Bytes::from).map_err(Problem::internal)
        });
        match read {
            Ok(view) => {
                *last = Some((begun, view.clone()));
                Ok(view)
            }
            Err(problem) => {
                // Perhaps there is no such session: keep nothing of it.
                self.sessions.lock().remove(&session);
                Err(problem)
            }
        }
    }
}
