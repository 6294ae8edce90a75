//! In this process, up to a number of messages.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::SystemTime,
};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{Pending, TraceEvent, TraceStore, Traced, in_order};
use crate::{MessageId, QueueName, Result};

const EVENTS: usize = 64;

type Key = (QueueName, MessageId);

/// Keeps the lives of the latest messages in this process's memory.
#[derive(Clone, Debug)]
pub struct MemoryTrace {
    most: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    lives: HashMap<Key, Life>,
    /// In the order in which they began.
    order: VecDeque<Key>,
    pending: HashMap<QueueName, BTreeSet<(SystemTime, MessageId)>>,
}

#[derive(Debug, Default)]
struct Life {
    events: VecDeque<TraceEvent>,
    due: Option<SystemTime>,
    /// The time of the event that says so.
    said: Option<SystemTime>,
}

impl MemoryTrace {
    /// Remembers the latest 10,000 messages, and 64 events of each.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(10_000)
    }

    /// Remembers the latest `most` messages.
    #[must_use]
    pub fn with_capacity(most: usize) -> Self {
        Self { most: most.max(1), state: Arc::default() }
    }
}

impl Default for MemoryTrace {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    /// Notes when the next thing should happen to a message, if anything should.
    fn set_due(&mut self, key: &Key, due: Option<SystemTime>) {
        let Some(life) = self.lives.get_mut(key) else { return };
        let pending = self.pending.entry(key.0.clone()).or_default();
        if let Some(before) = std::mem::replace(&mut life.due, due) {
            pending.remove(&(before, key.1.clone()));
        }
        pending.extend(due.map(|due| (due, key.1.clone())));
    }
}

#[async_trait]
impl TraceStore for MemoryTrace {
    async fn record(&self, events: &[Traced]) -> Result<()> {
        let mut state = self.state.lock();
        for Traced { queue, id, event } in events {
            let key = (queue.clone(), id.clone());
            if !state.lives.contains_key(&key) {
                if state.order.len() >= self.most
                    && let Some(oldest) = state.order.pop_front()
                {
                    state.set_due(&oldest, None);
                    state.lives.remove(&oldest);
                }
                state.order.push_back(key.clone());
            }
            let life = state.lives.entry(key.clone()).or_default();
            if life.events.len() >= EVENTS {
                life.events.pop_front();
            }
            life.events.push_back(event.clone());
            // Events may come out of order: only the latest that says what is pending counts.
            if let Some(due) = event.what.expects(event.at)
                && life.said.is_none_or(|said| said <= event.at)
            {
                life.said = Some(event.at);
                state.set_due(&key, due);
            }
        }
        Ok(())
    }

    async fn trace(&self, queue: &QueueName, id: &MessageId) -> Result<Vec<TraceEvent>> {
        let state = self.state.lock();
        let life = state.lives.get(&(queue.clone(), id.clone()));
        Ok(in_order(life.map(|life| life.events.iter().cloned().collect()).unwrap_or_default()))
    }

    async fn pending(&self, queue: &QueueName, by: SystemTime, limit: usize) -> Result<Vec<Pending>> {
        let state = self.state.lock();
        let due = state.pending.get(queue).into_iter().flatten().take_while(|(due, _)| *due <= by);
        Ok(due.take(limit).map(|(due, id)| Pending::new(id.clone(), *due)).collect())
    }

    async fn queues(&self) -> Result<Vec<QueueName>> {
        let state = self.state.lock();
        Ok(state.order.iter().map(|(queue, _)| queue.clone()).collect::<BTreeSet<_>>().into_iter().collect())
    }
}
