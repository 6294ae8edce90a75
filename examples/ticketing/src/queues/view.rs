//! Queues and dead letters as the desk shows them.

use nebula_delay_queue::{DeadLetter, DeadReason, QueueStats};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Queue, QueuePurpose, QueueStore, mask};
use crate::clock::Millis;

/// A queue at one moment.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct QueueView {
    /// Its name where it lives.
    pub name: String,
    /// What its messages are for.
    pub purpose: QueuePurpose,
    /// Where they live.
    pub store: QueueStore,
    /// How many there are; absent while the store cannot be asked.
    pub messages: Option<QueueMessages>,
}

/// How many messages are where.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct QueueMessages {
    /// Due and waiting for a worker.
    pub backlog: u64,
    /// Of these, waiting for longer than a second; absent where the store does not tell (RabbitMQ).
    pub overdue: Option<u64>,
    /// Not due yet; absent where the store does not tell (RabbitMQ).
    pub delayed: Option<u64>,
    /// Being handled.
    pub leased: u64,
    /// Given up.
    pub dead: u64,
    /// How long the one that waits longest has been due. On RabbitMQ, of those that the process which answers holds.
    pub lateness_ms: u64,
}

impl QueueView {
    pub(super) fn new(queue: &Queue, stats: Option<QueueStats>) -> Self {
        let messages = stats.map(|stats| QueueMessages {
            backlog: stats.backlog,
            overdue: stats.overdue,
            delayed: stats.total.map(|_| stats.delayed),
            leased: stats.leased,
            dead: stats.dead,
            lateness_ms: u64::try_from(stats.oldest_lateness.as_millis()).unwrap_or(u64::MAX),
        });
        Self { name: queue.name.clone(), purpose: queue.purpose, store: queue.store, messages }
    }
}

/// A message that was given up.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DeadLetterView {
    /// Its identity within the queue.
    pub id: String,
    /// `retries-exhausted`, `abandoned`, `rejected`, `undecodable` or `expired`.
    pub reason: &'static str,
    /// What its handler said when it rejected it, without what looks like somebody's data.
    pub said: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// What went wrong last, without what looks like somebody's data.
    pub last_error: Option<String>,
    /// When it was given up.
    pub died: Millis,
    /// The body: identifiers are readable, everything else is masked. Absent if it is no JSON.
    pub body: Option<String>,
    /// Its size.
    pub bytes: usize,
}

impl DeadLetterView {
    pub(super) fn new(letter: &DeadLetter) -> Self {
        let said = match &letter.reason {
            DeadReason::Rejected(said) => Some(mask::text(said)),
            _ => None,
        };
        Self {
            id: letter.message.id.to_string(),
            reason: letter.reason.name(),
            said,
            attempts: letter.attempts,
            last_error: letter.last_error.as_deref().map(mask::text),
            died: Millis::from(letter.died),
            body: mask::body(&letter.message.body),
            bytes: letter.message.body.len(),
        }
    }
}
