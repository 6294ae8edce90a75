//! What became of a message: its life, written down as it happens.

mod memory;
mod recorder;
#[cfg(feature = "redis")]
mod redis;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use self::memory::MemoryTrace;
pub(crate) use self::recorder::Recorder;
#[cfg(feature = "redis")]
pub use self::redis::RedisTrace;
use crate::{DeadReason, MessageId, QueueName, Result};

/// Something that happened to a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TraceEvent {
    /// When, by the clock of the process that saw it.
    pub at: SystemTime,
    /// What.
    pub what: Happened,
}

/// What can happen to a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Happened {
    /// It was accepted, and is due at this time.
    Scheduled {
        /// By the sender's clock.
        due: SystemTime,
    },
    /// It was sent again and refused as a duplicate.
    Duplicate,
    /// It was moved to another time.
    Rescheduled {
        /// By the sender's clock.
        due: SystemTime,
    },
    /// It was taken back.
    Cancelled,
    /// It became due. Nobody acts then and no store keeps it: it is told when a life is.
    Due,
    /// A worker got it.
    Delivered {
        /// Counted from 1.
        attempt: u32,
        /// How long after it could have been claimed.
        lateness: Duration,
    },
    /// Its handler failed; it comes again.
    Retried {
        /// After this pause.
        after: Duration,
        /// What went wrong.
        error: Option<String>,
    },
    /// A worker gave it back without having handled it.
    Returned,
    /// A worker lost its lease.
    LeaseLost,
    /// It is done.
    Done,
    /// It became a dead letter.
    Dead {
        /// Why.
        reason: DeadReason,
        /// What went wrong last.
        error: Option<String>,
    },
    /// The dead letter was given a new life.
    Replayed,
    /// The dead letter was deleted.
    Purged,
}

impl Happened {
    /// When the next thing should happen to it: `Some(None)` if nothing need happen any more.
    pub(crate) fn expects(&self, at: SystemTime) -> Option<Option<SystemTime>> {
        match self {
            Self::Scheduled { due } | Self::Rescheduled { due } => Some(Some(*due)),
            Self::Retried { after, .. } => Some(Some(at + *after)),
            Self::Returned | Self::LeaseLost | Self::Replayed => Some(Some(at)),
            // What its worker does not finish comes back to another when the lease ends, and is delivered again.
            Self::Delivered { .. } | Self::Done | Self::Dead { .. } | Self::Cancelled | Self::Purged => Some(None),
            Self::Duplicate | Self::Due => None,
        }
    }
}

/// Tells between the events of a life when the message became due, if it has.
pub(crate) fn with_due(events: Vec<TraceEvent>, now: SystemTime) -> Vec<TraceEvent> {
    let mut told = Vec::with_capacity(events.len() + 2);
    let mut waits: Option<SystemTime> = None;
    for event in events {
        let delivered = matches!(event.what, Happened::Delivered { .. });
        // Clocks differ: what was delivered was due.
        if let Some(due) = waits.take_if(|due| *due <= event.at || delivered) {
            told.push(TraceEvent { at: due.min(event.at), what: Happened::Due });
        }
        match &event.what {
            Happened::Scheduled { due } | Happened::Rescheduled { due } => waits = Some((*due).max(event.at)),
            Happened::Retried { after, .. } => waits = Some(event.at + *after),
            Happened::Duplicate => {}
            _ => waits = None,
        }
        told.push(event);
    }
    told.extend(waits.filter(|due| *due <= now).map(|at| TraceEvent { at, what: Happened::Due }));
    told
}

/// By their times: events of one message come from several tasks and processes.
pub(crate) fn in_order(mut events: Vec<TraceEvent>) -> Vec<TraceEvent> {
    events.sort_by_key(|event| event.at);
    events
}

/// An event with the message that it happened to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traced {
    /// The queue.
    pub queue: QueueName,
    /// The message.
    pub id: MessageId,
    /// The event.
    pub event: TraceEvent,
}

/// A message that has not been delivered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pending {
    /// The message.
    pub id: MessageId,
    /// When it is, or was, due.
    pub due: SystemTime,
}

impl Pending {
    /// A message that is due at a time.
    #[must_use]
    pub fn new(id: MessageId, due: SystemTime) -> Self {
        Self { id, due }
    }
}

/// Keeps the lives of messages, for [`DelayQueue::with_trace`](crate::DelayQueue::with_trace).
///
/// # Contract
///
/// - `trace` returns the events of a message in the order of their times; the latest ones, if there are very many.
/// - `pending` returns messages whose latest event (by its time, [`Duplicate`](Happened::Duplicate) apart) leaves something to
///   happen at or before a time, the longest due first.
/// - Events may be recorded in any order, by several processes at once.
/// - `queues` names every queue that anything was recorded about.
/// - What is older than the store remembers is forgotten.
#[async_trait]
pub trait TraceStore: fmt::Debug + Send + Sync + 'static {
    /// Writes events down.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open which were written.
    async fn record(&self, events: &[Traced]) -> Result<()>;

    /// The life of a message; empty if nothing is known.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is changed.
    async fn trace(&self, queue: &QueueName, id: &MessageId) -> Result<Vec<TraceEvent>>;

    /// At most `limit` messages that should have been delivered by a time.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is changed.
    async fn pending(&self, queue: &QueueName, by: SystemTime, limit: usize) -> Result<Vec<Pending>>;

    /// All queues.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: nothing is changed.
    async fn queues(&self) -> Result<Vec<QueueName>>;
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: TraceStore + ?Sized> TraceStore for Arc<S> {
    async fn record(&self, events: &[Traced]) -> Result<()> {
        (**self).record(events).await
    }

    async fn trace(&self, queue: &QueueName, id: &MessageId) -> Result<Vec<TraceEvent>> {
        (**self).trace(queue, id).await
    }

    async fn pending(&self, queue: &QueueName, by: SystemTime, limit: usize) -> Result<Vec<Pending>> {
        (**self).pending(queue, by, limit).await
    }

    async fn queues(&self) -> Result<Vec<QueueName>> {
        (**self).queues().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_tells_when_its_message_became_due() {
        let at = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        let delivered = Happened::Delivered { attempt: 1, lateness: Duration::ZERO };
        let tell = |now: u64, events: &[(u64, Happened)]| -> Vec<(u64, String)> {
            let events = events.iter().map(|(second, what)| TraceEvent { at: at(*second), what: what.clone() });
            let name = |what: &Happened| format!("{what:?}").split([' ', '{']).next().unwrap_or_default().to_owned();
            let second = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
            with_due(events.collect(), at(now)).iter().map(|event| (second(event.at), name(&event.what))).collect()
        };
        let told = |list: &[(u64, &str)]| list.iter().map(|(at, what)| (*at, (*what).to_owned())).collect::<Vec<_>>();
        let sent = (1, Happened::Scheduled { due: at(5) });
        assert_eq!(tell(4, std::slice::from_ref(&sent)), told(&[(1, "Scheduled")]), "not yet");
        assert_eq!(tell(5, std::slice::from_ref(&sent)), told(&[(1, "Scheduled"), (5, "Due")]));
        let moved = [sent.clone(), (2, Happened::Duplicate), (3, Happened::Rescheduled { due: at(7) })];
        let expected = [(1, "Scheduled"), (2, "Duplicate"), (3, "Rescheduled"), (7, "Due")];
        assert_eq!(tell(9, &moved), told(&expected), "when it was due last");
        assert_eq!(tell(9, &[sent.clone(), (4, Happened::Cancelled)]), told(&[(1, "Scheduled"), (4, "Cancelled")]));
        let retried = (7, Happened::Retried { after: Duration::from_secs(3), error: None });
        let life = [sent.clone(), (6, delivered.clone()), retried, (11, delivered.clone()), (12, Happened::Done)];
        let expected = [
            (1, "Scheduled"),
            (5, "Due"),
            (6, "Delivered"),
            (7, "Retried"),
            (10, "Due"),
            (11, "Delivered"),
            (12, "Done"),
        ];
        assert_eq!(tell(20, &life), told(&expected));
        // By the worker's clock it came before its time.
        assert_eq!(tell(20, &[sent, (4, delivered)]), told(&[(1, "Scheduled"), (4, "Due"), (4, "Delivered")]));
    }
}
