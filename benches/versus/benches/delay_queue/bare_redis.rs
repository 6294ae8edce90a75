//! The limits. On Redis: a sorted set of due times and a hash of bodies, moved by three scripts, with a lease but without
//! attempts, retries, dead letters, headers, priorities or deduplication. In memory: a heap behind a mutex.

use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redis::Script;
use redis::aio::MultiplexedConnection;

const SCHEDULE: &str = "
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
local now = redis.call('TIME')
return redis.call('ZADD', KEYS[1], now[1] * 1000 + ARGV[3], ARGV[1])";

const CLAIM: &str = "
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local ids = redis.call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1])
if #ids == 0 then return {} end
for _, id in ipairs(ids) do redis.call('ZADD', KEYS[1], now + ARGV[2], id) end
return {ids, redis.call('HMGET', KEYS[2], unpack(ids))}";

const ACKNOWLEDGE: &str = "
redis.call('ZREM', KEYS[1], unpack(ARGV))
return redis.call('HDEL', KEYS[2], unpack(ARGV))";

#[derive(Clone)]
pub(crate) struct BareRedis {
    connection: MultiplexedConnection,
    scripts: Arc<[Script; 3]>,
    due: String,
    bodies: String,
}

impl BareRedis {
    pub(crate) async fn connect(url: &str, name: &str) -> Self {
        let client = redis::Client::open(url).unwrap();
        let connection = client.get_multiplexed_async_connection().await.unwrap();
        let scripts = Arc::new([SCHEDULE, CLAIM, ACKNOWLEDGE].map(Script::new));
        for script in scripts.iter() {
            script.prepare_invoke().load_async(&mut connection.clone()).await.unwrap();
        }
        Self { connection, scripts, due: format!("{{{name}}}:due"), bodies: format!("{{{name}}}:bodies") }
    }

    pub(crate) async fn schedule(mut self, id: usize, body: &str, delay: Duration) {
        let mut call = self.scripts[0].key(&self.due);
        call.key(&self.bodies).arg(id).arg(body).arg(u64::try_from(delay.as_millis()).unwrap());
        call.invoke_async::<()>(&mut self.connection).await.unwrap();
    }

    /// Claims and acknowledges in batches, one after the other, until `total` messages have come.
    pub(crate) async fn deliver(mut self, total: usize, batch: usize) {
        let mut delivered = 0;
        while delivered < total {
            let mut claim = self.scripts[1].key(&self.due);
            claim.key(&self.bodies).arg(batch).arg(30_000);
            let claimed: Vec<Vec<String>> = claim.invoke_async(&mut self.connection).await.unwrap();
            let Some(ids) = claimed.first() else { continue };
            delivered += ids.len();
            let mut acknowledge = self.scripts[2].key(&self.due);
            acknowledge.key(&self.bodies);
            for id in ids {
                acknowledge.arg(id);
            }
            acknowledge.invoke_async::<()>(&mut self.connection).await.unwrap();
        }
    }
}

type Entry = std::cmp::Reverse<(Instant, usize, String)>;

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
