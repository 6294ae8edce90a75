//! The log of invalidations in this process.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use crate::channel::{Batch, CatchUp, Heard, Invalid, Listening, Position, Published};

/// So many batches can be caught up with.
const KEPT: usize = 10_000;

/// A listener that is slower by so many batches is told that some are lost.
const BUFFER: usize = 1024;

#[derive(Debug)]
pub(super) struct Log {
    inner: Mutex<Inner>,
    news: broadcast::Sender<Published>,
    /// The wall clock when the log was created; from there on tokio's time counts.
    created: (Duration, Instant),
}

#[derive(Debug)]
struct Inner {
    head: Position,
    kept: VecDeque<Published>,
    versions: HashMap<u64, u64>,
}

impl Default for Log {
    fn default() -> Self {
        let head = Position { epoch: rand::random::<u64>().max(1), sequence: 0, mark: 0 };
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let inner = Inner { head, kept: VecDeque::new(), versions: HashMap::new() };
        Self { inner: Mutex::new(inner), news: broadcast::Sender::new(BUFFER), created: (wall, Instant::now()) }
    }
}

impl Log {
    pub(super) fn publish(&self, batch: &Batch) -> Position {
        let mut inner = self.inner.lock();
        let after = inner.head;
        let at = Position { sequence: after.sequence + 1, mark: rand::random(), ..after };
        for item in &*batch.items {
            if !matches!(item, Invalid::Key(_)) {
                inner.versions.insert(item.hash(), at.sequence);
            }
        }
        inner.head = at;
        let published = Published { after, at, batch: batch.clone(), time: self.now() };
        inner.kept.push_back(published.clone());
        if inner.kept.len() > KEPT {
            inner.kept.pop_front();
        }
        // While the lock is held, so that listeners hear them in order. Without listeners it fails, and may.
        let _ = self.news.send(published);
        at
    }

    pub(super) fn since(&self, after: Option<Position>) -> CatchUp {
        let inner = self.inner.lock();
        let missed = match after {
            Some(after) if after == inner.head => Some(Vec::new()),
            Some(after) => inner
                .kept
                .iter()
                .position(|published| published.after == after)
                .map(|place| inner.kept.iter().skip(place).cloned().collect()),
            None => None,
        };
        CatchUp { head: inner.head, missed, time: self.now() }
    }

    pub(super) fn listen(&self) -> Listening {
        stream::unfold(self.news.subscribe(), async |mut news| match news.recv().await {
            Ok(published) => Some((Heard::Published(published), news)),
            Err(RecvError::Lagged(_)) => Some((Heard::MaybeLost, news)),
            Err(RecvError::Closed) => None,
        })
        .boxed()
    }

    pub(super) fn versions(&self, items: &[Invalid]) -> (u64, Vec<u64>) {
        let inner = self.inner.lock();
        let versions = items.iter().map(|item| inner.versions.get(&item.hash()).copied().unwrap_or(0)).collect();
        (inner.head.epoch, versions)
    }

    fn now(&self) -> u64 {
        let (wall, start) = self.created;
        crate::clock::millis(wall + start.elapsed())
    }
}
