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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;
    use tokio::time::timeout;

    use super::*;

    fn message(text: &'static str) -> Event {
        Event::Message { channel: Arc::from("c"), payload: Bytes::from_static(text.as_bytes()) }
    }

    #[tokio::test]
    async fn the_oldest_gives_way_and_is_counted() {
        let queue = Queue::new(2);
        for text in ["a", "b", "c", "d", "e"] {
            queue.push(message(text));
        }
        assert_eq!(queue.next().await, Some(Event::Lagged(3)));
        assert_eq!(queue.next().await, Some(message("d")));
        assert_eq!(queue.next().await, Some(message("e")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_next_loses_nothing() {
        let queue = Queue::new(2);
        for _ in 0..3 {
            assert!(timeout(Duration::from_millis(1), queue.next()).await.is_err());
        }
        queue.push(message("a"));
        drop(queue.next());
        assert_eq!(queue.next().await, Some(message("a")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiting_reader_wakes_up() {
        let queue = Arc::new(Queue::new(2));
        let reader = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { (queue.next().await, queue.next().await) }
        });
        tokio::task::yield_now().await;
        queue.push(Event::Resubscribed);
        tokio::task::yield_now().await;
        queue.close();
        assert_eq!(reader.await.unwrap(), (Some(Event::Resubscribed), None));
    }
}
