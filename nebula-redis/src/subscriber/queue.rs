use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Event;

/// Events for one reader. When it is full the oldest event gives way and is counted.
#[derive(Debug)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    changed: Notify,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Inner {
    events: VecDeque<Event>,
    dropped: u64,
    closed: bool,
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        Self { inner: Mutex::default(), changed: Notify::new(), capacity }
    }

    pub(super) fn push(&self, event: Event) {
        let mut inner = self.inner.lock();
        if inner.events.len() >= self.capacity {
            inner.events.pop_front();
            inner.dropped += 1;
        }
        inner.events.push_back(event);
        drop(inner);
        self.changed.notify_one();
    }

    pub(super) fn close(&self) {
        self.inner.lock().closed = true;
        self.changed.notify_one();
    }

    /// One reader only: `notify_one` keeps a permit for it, so nothing is missed between the look and the wait.
    pub(super) async fn next(&self) -> Option<Event> {
        loop {
            {
                let mut inner = self.inner.lock();
                if inner.dropped > 0 {
                    return Some(Event::Lagged(std::mem::take(&mut inner.dropped)));
                }
                if let Some(event) = inner.events.pop_front() {
                    return Some(event);
                }
                if inner.closed {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }
}
