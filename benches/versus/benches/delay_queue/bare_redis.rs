//! The least that is correct on Redis: a sorted set of due times and a hash of bodies, moved by three scripts, with a lease
//! but without attempts, retries, dead letters, headers, priorities or deduplication.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Script};

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
        // The driver's half a second is little on a machine that does other things as well.
        let options = AsyncConnectionConfig::new().set_response_timeout(Some(crate::ours::PATIENCE));
        let connection = client.get_multiplexed_async_connection_with_config(&options).await.unwrap();
        let scripts = Arc::new([SCHEDULE, CLAIM, ACKNOWLEDGE].map(Script::new));
        for script in scripts.iter() {
            script.prepare_invoke().load_async(&mut connection.clone()).await.unwrap();
        }
        Self { connection, scripts, due: format!("{{{name}}}:due"), bodies: format!("{{{name}}}:bodies") }
    }

    pub(crate) async fn reset_statistics(&self) {
        redis::cmd("CONFIG").arg("RESETSTAT").query_async::<()>(&mut self.connection.clone()).await.unwrap();
    }

    /// What the server has spent on which command.
    pub(crate) async fn statistics(&self) -> String {
        redis::cmd("INFO").arg("commandstats").query_async(&mut self.connection.clone()).await.unwrap()
    }

    /// What Redis has taken from the operating system's allocator for its data, in bytes.
    pub(crate) async fn memory(&self) -> u64 {
        let info: String = redis::cmd("INFO").arg("memory").query_async(&mut self.connection.clone()).await.unwrap();
        info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap().trim().parse().unwrap()
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
