//! In this process, on tokio's time.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Begin, IdempotencyStore};
use crate::{LeaseToken, MessageId, QueueName, Result};

/// As many entries as there may be before those that ended are swept out for the first time.
const SWEEP: usize = 1024;

/// Remembers in this process what took effect; for tests, and for one process whose memory may be lost with it.
#[derive(Clone, Debug, Default)]
pub struct MemoryIdempotency(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    entries: HashMap<(QueueName, MessageId), Entry>,
    sweep_at: usize,
}

#[derive(Debug)]
struct Entry {
    /// `None`: done.
    token: Option<LeaseToken>,
    until: Instant,
}

impl MemoryIdempotency {
    /// Remembers nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl State {
    fn current(&mut self, key: &(QueueName, MessageId)) -> Option<&Entry> {
        let now = Instant::now();
        if self.entries.len() > self.sweep_at.max(SWEEP) {
            self.entries.retain(|_, entry| entry.until > now);
            self.sweep_at = self.entries.len() * 2;
        }
        self.entries.get(key).filter(|entry| entry.until > now)
    }
}

#[async_trait]
impl IdempotencyStore for MemoryIdempotency {
    async fn begin(&self, queue: &QueueName, id: &MessageId, token: LeaseToken, lease: Duration) -> Result<Begin> {
        let (mut state, key) = (self.0.lock(), (queue.clone(), id.clone()));
        Ok(match state.current(&key) {
            Some(Entry { token: None, .. }) => Begin::Done,
            Some(Entry { token: Some(other), until }) if *other != token => Begin::Busy(*until - Instant::now()),
            _ => {
                state.entries.insert(key, Entry { token: Some(token), until: Instant::now() + lease });
                Begin::Fresh
            }
        })
    }

    async fn complete(&self, queue: &QueueName, id: &MessageId, token: LeaseToken, keep: Duration) -> Result<bool> {
        let (mut state, key) = (self.0.lock(), (queue.clone(), id.clone()));
        match state.current(&key) {
            Some(Entry { token: Some(other), .. }) if *other != token => Ok(false),
            _ => {
                state.entries.insert(key, Entry { token: None, until: Instant::now() + keep });
                Ok(true)
            }
        }
    }

    async fn abandon(&self, queue: &QueueName, id: &MessageId, token: LeaseToken) -> Result<()> {
        let (mut state, key) = (self.0.lock(), (queue.clone(), id.clone()));
        if state.entries.get(&key).is_some_and(|entry| entry.token == Some(token)) {
            state.entries.remove(&key);
        }
        Ok(())
    }
}
