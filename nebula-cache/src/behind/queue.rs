//! What waits to be written.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::key::CacheKey;

pub(super) struct Queue<K, V> {
    state: Mutex<State<K, V>>,
    capacity: usize,
    clone: fn(&V) -> V,
    /// Something came in, or is wanted out.
    pub(super) wake: Notify,
    /// Something was written.
    written: Notify,
}

struct State<K, V> {
    waiting: HashMap<K, Waiting<V>>,
    /// By age: each key that waits stands here once, those being written do not.
    order: VecDeque<K>,
    /// Counts what comes in.
    last: u64,
    /// Everything up to this number is wanted out at once.
    hurry: u64,
    closed: bool,
}

struct Waiting<V> {
    value: Option<V>,
    /// The number of `value`, and of the first value that is not written.
    number: u64,
    first: u64,
    since: Instant,
}

/// A part of what waits.
pub(super) struct Taken<K, V> {
    pub(super) entries: Vec<(K, Option<V>)>,
    /// The number of each value, and since when it waits.
    marks: Vec<(u64, Instant)>,
}

impl<K: CacheKey, V> Queue<K, V> {
    pub(super) fn new(capacity: usize, clone: fn(&V) -> V) -> Self {
        let state = State { waiting: HashMap::new(), order: VecDeque::new(), last: 0, hurry: 0, closed: false };
        Self { state: Mutex::new(state), capacity, clone, wake: Notify::new(), written: Notify::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.state.lock().waiting.len()
    }

    /// Waits for room; `false` if nothing is written any more.
    pub(super) async fn push(&self, mut key: K, mut value: Option<V>) -> bool {
        loop {
            let mut written = std::pin::pin!(self.written.notified());
            written.as_mut().enable();
            (key, value) = match self.try_push(key, value) {
                Ok(accepted) => return accepted,
                Err(back) => back,
            };
            written.await;
        }
    }

    fn try_push(&self, key: K, value: Option<V>) -> Result<bool, (K, Option<V>)> {
        let mut state = self.state.lock();
        if state.closed {
            return Ok(false);
        }
        let number = state.last + 1;
        let full = state.waiting.len() >= self.capacity;
        if let Some(waiting) = state.waiting.get_mut(&key) {
            (waiting.value, waiting.number) = (value, number);
        } else if full {
            return Err((key, value));
        } else {
            let waiting = Waiting { value, number, first: number, since: Instant::now() };
            state.waiting.insert(key.clone(), waiting);
            state.order.push_back(key);
        }
        state.last = number;
        drop(state);
        self.wake.notify_one();
        Ok(true)
    }

    /// What waits under the key.
    #[allow(clippy::option_option, reason = "nothing waits, or it waits to be deleted")]
    pub(super) fn find(&self, key: &K) -> Option<Option<V>> {
        Some(self.state.lock().waiting.get(key)?.value.as_ref().map(self.clone))
    }

    /// When the next batch is due; `None` if nothing waits.
    pub(super) fn due(&self, batch: usize, delay: Duration) -> Option<Instant> {
        let state = self.state.lock();
        let oldest = state.waiting.get(state.order.front()?)?;
        let at_once = state.order.len() >= batch || oldest.first <= state.hurry;
        Some(if at_once { Instant::now() } else { oldest.since + delay })
    }

    /// The oldest of what waits; it can still be found.
    pub(super) fn take(&self, batch: usize) -> Taken<K, V> {
        let mut state = self.state.lock();
        let mut taken = Taken { entries: Vec::new(), marks: Vec::new() };
        while taken.entries.len() < batch
            && let Some(key) = state.order.pop_front()
        {
            if let Some(waiting) = state.waiting.get(&key) {
                taken.marks.push((waiting.number, waiting.since));
                taken.entries.push((key, waiting.value.as_ref().map(self.clone)));
            }
        }
        taken
    }

    /// It was written; returns the keys of what waited for longer than `long`.
    pub(super) fn done(&self, taken: Taken<K, V>, long: Duration) -> Vec<K> {
        let mut state = self.state.lock();
        let mut late = Vec::new();
        for ((key, _), (number, since)) in taken.entries.into_iter().zip(taken.marks) {
            match state.waiting.get_mut(&key) {
                Some(waiting) if waiting.number != number => {
                    (waiting.first, waiting.since) = (number + 1, Instant::now());
                    state.order.push_back(key);
                }
                _ => {
                    state.waiting.remove(&key);
                    if since.elapsed() > long {
                        late.push(key);
                    }
                }
            }
        }
        drop(state);
        self.written.notify_waiters();
        late
    }

    /// It was not written: it is the next to be tried.
    pub(super) fn put_back(&self, taken: Taken<K, V>) {
        let mut state = self.state.lock();
        for (key, _) in taken.entries.into_iter().rev() {
            state.order.push_front(key);
        }
    }

    /// Waits until all that waits now has been written.
    pub(super) async fn flushed(&self) {
        let last = {
            let mut state = self.state.lock();
            state.hurry = state.last;
            state.last
        };
        self.wake.notify_one();
        loop {
            let mut written = std::pin::pin!(self.written.notified());
            written.as_mut().enable();
            if self.state.lock().waiting.values().all(|waiting| waiting.first > last) {
                return;
            }
            written.await;
        }
    }

    /// Nothing more comes in, and everything is wanted out.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        (state.closed, state.hurry) = (true, u64::MAX);
        drop(state);
        self.written.notify_waiters();
    }

    /// Forgets what waits; returns how many keys.
    pub(super) fn abandon(&self) -> usize {
        let mut state = self.state.lock();
        state.order.clear();
        std::mem::take(&mut state.waiting).len()
    }
}
