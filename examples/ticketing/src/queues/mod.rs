//! The queues of the platform, for those who operate it: how many messages are where, which were given up, what became of one,
//! and a new life for it.

mod http;
mod mask;
mod view;

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use nebula_delay_queue::{DelayQueue, ErrorKind, MessageId, Replay, TraceEvent};
use serde::Serialize;
use tokio::time::{Instant, timeout};
use utoipa::ToSchema;

pub use self::{
    http::desk,
    view::{DeadLetterView, QueueMessages, QueueView},
};
use crate::{
    outbox::{FOLLOW, ISSUE, NOTICE, REFUND, REMIND, TIMEOUT},
    problem::{Problem, Result},
};

/// Where the messages of a queue live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum QueueStore {
    /// In the file.
    Sqlite,
    /// On the database server.
    Postgres,
    /// On a Redis server.
    Redis,
    /// On a broker.
    Rabbitmq,
}

/// What the messages of a queue are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum QueuePurpose {
    /// The seat ledger follows the database.
    Follow,
    /// Paid orders get their tickets.
    Issue,
    /// Money goes back.
    Refund,
    /// Buyers are told.
    Notice,
    /// Buyers are reminded of sales that open soon.
    Reminder,
    /// Unpaid orders end.
    Timeout,
    /// Time-outs wait to be moved to where they are delivered.
    Relay,
}

/// How long a queue may take to tell how it is.
const PATIENCE: Duration = Duration::from_secs(3);
/// Most dead letters that one request gives a new life, and how long it goes on: shorter than a request may take, so that what
/// it did is written down.
const REPLAYED_AT_ONCE: usize = 200;
const REPLAYS_FOR: Duration = Duration::from_secs(6);

/// The queues. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Queues(Arc<[Queue]>);

/// What became of a request to replay everything.
#[derive(Debug, Default)]
pub struct Replays {
    /// So many have a new life.
    pub replayed: u64,
    /// Whether there may be others, beyond what a request can do.
    pub more: bool,
    /// Why the last one could not be replayed, if it could not.
    pub failure: Option<Problem>,
}

/// One of them.
#[derive(Debug)]
pub struct Queue {
    /// As it is called where it lives.
    name: String,
    /// As `handle` calls it, which puts its prefix before.
    called: String,
    purpose: QueuePurpose,
    store: QueueStore,
    handle: DelayQueue,
}

impl Queues {
    /// Those of the outbox, which lives in `database`, and that of the time-outs, which may live elsewhere.
    ///
    /// # Errors
    ///
    /// When the configured prefix makes no queue's name.
    pub fn new(
        (outbox, database): (&DelayQueue, QueueStore),
        (timeouts, elsewhere): (&DelayQueue, QueueStore),
    ) -> std::result::Result<Self, nebula_delay_queue::Error> {
        let of = |handle: &DelayQueue, called: &str, purpose, store| {
            let name = handle.name(called)?.to_string();
            Ok::<_, nebula_delay_queue::Error>(Queue {
                name,
                called: called.to_owned(),
                purpose,
                store,
                handle: handle.clone(),
            })
        };
        let mut queues = vec![
            of(outbox, FOLLOW, QueuePurpose::Follow, database)?,
            of(outbox, ISSUE, QueuePurpose::Issue, database)?,
            of(outbox, REFUND, QueuePurpose::Refund, database)?,
            of(outbox, NOTICE, QueuePurpose::Notice, database)?,
            of(outbox, REMIND, QueuePurpose::Reminder, database)?,
            of(timeouts, TIMEOUT, QueuePurpose::Timeout, elsewhere)?,
        ];
        if database != elsewhere {
            // The relay's own, before the time-outs' full name.
            queues.push(of(outbox, &format!("outbox.{}", timeouts.name(TIMEOUT)?), QueuePurpose::Relay, database)?);
        }
        Ok(Self(queues.into()))
    }

    /// How all of them are. One whose store cannot be asked says so; the others are told none the less.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn view(&self) -> Vec<QueueView> {
        join_all(self.0.iter().map(Queue::view)).await
    }

    /// The queue of this name.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`](crate::problem::Code::NotFound).
    pub fn find(&self, name: &str) -> Result<&Queue> {
        self.0.iter().find(|queue| queue.name == name).ok_or_else(|| Problem::not_found("queue"))
    }
}

impl Queue {
    /// Its name where it lives.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    async fn view(&self) -> QueueView {
        let stats = match timeout(PATIENCE, self.handle.stats(self.called.as_str())).await {
            Ok(Ok(stats)) => Some(stats),
            Ok(Err(error)) => {
                tracing::warn!(queue = self.name, error = crate::problem::chain(&error), "a queue cannot be looked at");
                None
            }
            Err(_) => None,
        };
        QueueView::new(self, stats)
    }

    /// Dead letters, the longest dead first: `limit` of them after the first `skip`.
    ///
    /// # Errors
    ///
    /// The store cannot be asked.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn dead_letters(&self, skip: usize, limit: usize) -> Result<Vec<DeadLetterView>> {
        let letters = self.handle.dead_letters(self.called.as_str(), skip, limit).await.map_err(problem)?;
        Ok(letters.iter().map(DeadLetterView::new).collect())
    }

    /// What happened to a message, as far as it is known.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`](crate::problem::Code::NotFound) if nothing is known; otherwise the store cannot be asked.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn life(&self, id: &str) -> Result<Vec<TraceEvent>> {
        let events = self.handle.trace(self.called.as_str(), id).await.map_err(problem)?;
        if events.is_empty() { Err(Problem::not_found("message")) } else { Ok(events) }
    }

    /// Gives a dead letter a new life.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`](crate::problem::Code::NotFound) if it is none; otherwise the store cannot be asked.
    ///
    /// # Cancel safety
    ///
    /// It may have one; asking again is safe.
    pub async fn replay(&self, id: &str) -> Result<()> {
        match self.handle.replay(self.called.as_str(), id).await.map_err(problem)? {
            Replay::Replayed => Ok(()),
            Replay::NotFound => Err(Problem::not_found("dead letter")),
        }
    }

    /// Gives the dead letters that there are now a new life, the longest dead first, up to a number that a request can do.
    /// What dies again meanwhile is not replayed again.
    ///
    /// # Errors
    ///
    /// The store cannot be asked, and nothing was replayed.
    ///
    /// # Cancel safety
    ///
    /// Some may have been replayed; asking again is safe.
    pub async fn replay_all(&self) -> Result<Replays> {
        let letters = self.handle.dead_letters(self.called.as_str(), 0, REPLAYED_AT_ONCE).await.map_err(problem)?;
        let (mut replays, until) = (Replays::default(), Instant::now() + REPLAYS_FOR);
        for letter in &letters {
            if Instant::now() > until {
                replays.more = true;
                return Ok(replays);
            }
            match self.handle.replay(self.called.as_str(), &letter.message.id).await {
                Ok(outcome) => replays.replayed += u64::from(outcome == Replay::Replayed),
                Err(error) => {
                    replays.failure = Some(problem(error));
                    return Ok(replays);
                }
            }
        }
        replays.more = letters.len() == REPLAYED_AT_ONCE;
        Ok(replays)
    }

    /// Deletes a dead letter for good.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`](crate::problem::Code::NotFound) if it is none; otherwise the store cannot be asked.
    ///
    /// # Cancel safety
    ///
    /// It may be deleted.
    pub async fn purge(&self, id: &str) -> Result<()> {
        let id = MessageId::new(id).map_err(problem)?;
        match self.handle.purge(self.called.as_str(), Some(&id)).await.map_err(problem)? {
            0 => Err(Problem::not_found("dead letter")),
            _ => Ok(()),
        }
    }
}

fn problem(error: nebula_delay_queue::Error) -> Problem {
    match error.kind() {
        ErrorKind::InvalidName => Problem::not_found("message"),
        _ => Problem::unavailable(error),
    }
}
