//! Writes events down beside the work, never in its way.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{Happened, TraceEvent, TraceStore, Traced};
use crate::{MessageId, QueueName, error::chain, telemetry};

/// As many events may wait to be written. What comes beyond is dropped and counted.
const WAITING: usize = 65_536;
const BATCH: usize = 256;
const FLUSH: Duration = Duration::from_secs(5);

enum Note {
    Event(Traced),
    Flush(oneshot::Sender<()>),
}

#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    pub(crate) store: Arc<dyn TraceStore>,
    notes: Arc<OnceLock<mpsc::Sender<Note>>>,
}

impl Recorder {
    pub(crate) fn new(store: Arc<dyn TraceStore>) -> Self {
        Self { store, notes: Arc::default() }
    }

    pub(crate) fn record(&self, queue: &QueueName, id: &MessageId, at: SystemTime, what: Happened) {
        let event = TraceEvent { at, what };
        self.note(Note::Event(Traced { queue: queue.clone(), id: id.clone(), event }));
    }

    /// Waits until what was recorded before is written.
    pub(crate) async fn flush(&self) {
        let (done, written) = oneshot::channel();
        self.note(Note::Flush(done));
        let _ = timeout(FLUSH, written).await;
    }

    fn note(&self, note: Note) {
        let Ok(runtime) = Handle::try_current() else { return };
        let notes = self.notes.get_or_init(|| {
            let (notes, inbox) = mpsc::channel(WAITING);
            runtime.spawn(write(Arc::clone(&self.store), inbox));
            notes
        });
        if notes.try_send(note).is_err() {
            telemetry::trace_lost(1);
        }
    }
}

async fn write(store: Arc<dyn TraceStore>, mut inbox: mpsc::Receiver<Note>) {
    let mut notes = Vec::new();
    while inbox.recv_many(&mut notes, BATCH).await > 0 {
        let (mut events, mut flushes) = (Vec::new(), Vec::new());
        for note in notes.drain(..) {
            match note {
                Note::Event(event) => events.push(event),
                Note::Flush(done) => flushes.push(done),
            }
        }
        if !events.is_empty()
            && let Err(error) = store.record(&events).await
        {
            telemetry::trace_lost(events.len() as u64);
            tracing::warn!(events = events.len(), error = chain(&error), "could not record what happened to messages");
        }
        for done in flushes {
            let _ = done.send(());
        }
    }
}
