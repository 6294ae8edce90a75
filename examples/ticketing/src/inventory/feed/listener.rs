//! One listener's end of the live stream.

use futures_util::{Stream, stream};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio_util::sync::CancellationToken;

use super::Update;
use crate::inventory::Cursor;

/// The changes of one session from a moment on.
#[derive(Debug)]
pub struct Listener {
    updates: Receiver<Update>,
    first: Option<Update>,
    seen: Cursor,
    stopping: CancellationToken,
}

impl Listener {
    pub(super) fn new(
        updates: Receiver<Update>,
        first: Option<Update>,
        seen: Cursor,
        stopping: CancellationToken,
    ) -> Self {
        Self { updates, first, seen, stopping }
    }

    /// The next update; `None` when the platform stops.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no update is lost.
    pub async fn next(&mut self) -> Option<Update> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            let update = tokio::select! {
                biased;
                () = self.stopping.cancelled() => return None,
                update = self.updates.recv() => update,
            };
            match update {
                // It was in the past that this listener began with.
                Ok(Update::Seats(batch)) if batch.cursor <= self.seen => {}
                Ok(update) => return Some(update),
                Err(RecvError::Lagged(_)) => {
                    // The snapshot that follows is younger than all that still waits here.
                    self.updates = self.updates.resubscribe();
                    return Some(Update::Reset);
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// The updates as a stream.
    pub fn into_stream(self) -> impl Stream<Item = Update> + Send {
        stream::unfold(self, async |mut listener| listener.next().await.map(|update| (update, listener)))
    }
}
