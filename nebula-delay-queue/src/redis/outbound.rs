//! Concurrent sends to one queue share script calls.
//!
//! Up to four go out on their own, so that a sender alone waits for nobody. What comes while those are under way gathers,
//! and goes out as one call after the other, each with all that came during the one before.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use ::redis::aio::ConnectionLike;
use parking_lot::Mutex;
use tokio::{sync::oneshot, time::timeout};

use super::{RedisDelayQueue, fitting, protocol};
use crate::{Error, ErrorKind, QueueName, RawMessage, Result, SendOutcome};

const ALONE: usize = 4;
const CONTEXT: &str = "storing a message";

type Lines = Mutex<HashMap<QueueName, Line>>;

/// What is on its way, by queue. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Outbound(Arc<Lines>);

#[derive(Default)]
struct Line {
    alone: usize,
    /// Whether a task works off what waits.
    grouped: bool,
    waiting: Vec<Waiting>,
}

struct Waiting {
    message: RawMessage,
    reply: oneshot::Sender<Result<SendOutcome>>,
}

enum Turn {
    Alone(RawMessage, Leaves),
    Grouped(oneshot::Receiver<Result<SendOutcome>>, Option<Group>),
}

impl Outbound {
    fn turn(&self, queue: &QueueName, message: RawMessage) -> Turn {
        let mut lines = self.0.lock();
        let line = lines.entry(queue.clone()).or_default();
        if line.alone < ALONE {
            line.alone += 1;
            return Turn::Alone(message, Leaves(self.clone(), queue.clone()));
        }
        let (reply, answer) = oneshot::channel();
        line.waiting.push(Waiting { message, reply });
        let first = !std::mem::replace(&mut line.grouped, true);
        Turn::Grouped(answer, first.then(|| Group { outbound: self.clone(), queue: queue.clone(), over: false }))
    }

    fn update<T>(&self, queue: &QueueName, change: impl FnOnce(&mut Line) -> T) -> T {
        let mut lines = self.0.lock();
        match lines.entry(queue.clone()) {
            Entry::Occupied(mut entry) => {
                let result = change(entry.get_mut());
                if entry.get().alone == 0 && !entry.get().grouped {
                    entry.remove();
                }
                result
            }
            Entry::Vacant(_) => change(&mut Line::default()),
        }
    }
}

/// Counts a sender until it is done or dropped.
struct Leaves(Outbound, QueueName);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.update(&self.1, |line| line.alone = line.alone.saturating_sub(1));
    }
}

/// The duty of sending what waits. If the task dies with its runtime, nobody is left waiting.
struct Group {
    outbound: Outbound,
    queue: QueueName,
    over: bool,
}

impl Group {
    /// What has come since; nothing ends the duty.
    fn next(&mut self) -> Option<Vec<Waiting>> {
        let waiting = self.outbound.update(&self.queue, |line| {
            // Who has given up in the meantime does not want its message sent.
            line.waiting.retain(|waiting| !waiting.reply.is_closed());
            line.grouped = !line.waiting.is_empty();
            std::mem::take(&mut line.waiting)
        });
        self.over = waiting.is_empty();
        (!self.over).then_some(waiting)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.over {
            self.outbound.update(&self.queue, |line| {
                line.grouped = false;
                line.waiting.clear();
            });
        }
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> RedisDelayQueue<C> {
    pub(super) async fn send_one(&self, queue: &QueueName, message: RawMessage) -> Result<SendOutcome> {
        match self.outbound.turn(queue, message) {
            Turn::Alone(message, _leaves) => {
                let outcomes = self.store(queue, std::slice::from_ref(&message)).await?;
                outcomes.into_iter().next().ok_or_else(|| protocol(CONTEXT))
            }
            Turn::Grouped(answer, group) => {
                if let Some(group) = group {
                    tokio::spawn(self.clone().send_groups(group));
                }
                match timeout(self.timeout, answer).await {
                    Ok(Ok(outcome)) => outcome,
                    Ok(Err(_)) => Err(Error::new(ErrorKind::Unavailable, "the runtime that was sending has ended")),
                    Err(_) => Err(self.took_too_long(CONTEXT)),
                }
            }
        }
    }

    async fn send_groups(self, mut group: Group) {
        while let Some(waiting) = group.next() {
            let (messages, replies): (Vec<_>, Vec<_>) =
                waiting.into_iter().map(|waiting| (waiting.message, waiting.reply)).unzip();
            let (mut rest, mut replies) = (&messages[..], replies.into_iter());
            while !rest.is_empty() {
                let (call, later) = rest.split_at(fitting(rest));
                rest = later;
                let replies = replies.by_ref().take(call.len());
                match self.store(&group.queue, call).await {
                    Ok(outcomes) => replies.zip(outcomes).for_each(|(reply, outcome)| drop(reply.send(Ok(outcome)))),
                    Err(error) => {
                        let error = Arc::new(error);
                        replies.for_each(|reply| drop(reply.send(Err(shared(&error)))));
                    }
                }
            }
        }
    }
}

/// Each sender's own copy of what went wrong for all.
fn shared(error: &Arc<Error>) -> Error {
    Error::new(error.kind(), CONTEXT).with_source(Arc::clone(error))
}
