//! Limits in memory: a heap that cannot do anything but push and pop, and the least that keeps what a queue promises.

use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nebula_delay_queue::MessageId;

type Entry = std::cmp::Reverse<(Instant, usize, String)>;

/// No ids, no leases, no cancelling, no bytes.
#[derive(Clone, Default)]
pub(crate) struct BareHeap(Arc<Mutex<BinaryHeap<Entry>>>);

impl BareHeap {
    pub(crate) fn schedule(&self, id: usize, body: &str, delay: Duration) {
        let entry = std::cmp::Reverse((Instant::now() + delay, id, body.to_owned()));
        self.0.lock().unwrap().push(entry);
    }

    /// Takes one message after the other until `total` have come.
    pub(crate) fn deliver(&self, total: usize) {
        for _ in 0..total {
            let mut heap = self.0.lock().unwrap();
            assert!(heap.peek().is_some_and(|entry| entry.0.0 <= Instant::now()), "a message is missing");
            std::hint::black_box(heap.pop());
        }
    }
}

/// A map by id (duplicates, cancelling), an index by time, a lease until the acknowledgement, bodies as JSON, and every
/// message handled in a task of its own.
#[derive(Clone, Default)]
pub(crate) struct BareIndex(Arc<Mutex<Indexed>>);

#[derive(Default)]
struct Indexed {
    bodies: HashMap<MessageId, Vec<u8>>,
    due: BTreeSet<(Instant, MessageId)>,
    leased: HashMap<MessageId, Instant>,
}

impl BareIndex {
    pub(crate) fn schedule(&self, body: &str, delay: Duration) {
        let (id, body) = (MessageId::random(), serde_json::to_vec(body).unwrap());
        let mut all = self.0.lock().unwrap();
        assert!(all.bodies.insert(id.clone(), body).is_none(), "a duplicate");
        all.due.insert((Instant::now() + delay, id));
    }

    fn claim(&self) -> (MessageId, Vec<u8>) {
        let (mut all, now) = (self.0.lock().unwrap(), Instant::now());
        let (due, id) = all.due.pop_first().unwrap();
        assert!(due <= now, "a message is missing");
        all.leased.insert(id.clone(), now + Duration::from_secs(30));
        let body = all.bodies[&id].clone();
        (id, body)
    }

    fn acknowledge(&self, id: &MessageId) {
        let mut all = self.0.lock().unwrap();
        assert!(all.leased.remove(id).is_some(), "a lost lease");
        all.bodies.remove(id);
    }

    /// Works off `total` messages, sixty-four at a time.
    pub(crate) async fn deliver(&self, total: usize) {
        let mut handlers = tokio::task::JoinSet::new();
        for _ in 0..total {
            if handlers.len() == crate::HANDLERS {
                handlers.join_next().await.unwrap().unwrap();
            }
            let (queue, (id, body)) = (self.clone(), self.claim());
            handlers.spawn(async move {
                std::hint::black_box(serde_json::from_slice::<String>(&body).unwrap());
                queue.acknowledge(&id);
            });
        }
        while let Some(handled) = handlers.join_next().await {
            handled.unwrap();
        }
    }
}
