//! The limit: `SET NX PX` and a compare-and-delete script over one multiplexed connection. No fence, no renewal, no
//! clean-up behind a caller that goes away, no waiting.

use redis::aio::MultiplexedConnection;

const COMPARE_AND_DELETE: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

#[derive(Clone)]
pub(crate) struct Limit {
    connection: MultiplexedConnection,
    script: String,
}

impl Limit {
    pub(crate) async fn connect(url: &str) -> Self {
        let client = redis::Client::open(url).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let load = redis::cmd("SCRIPT").arg("LOAD").arg(COMPARE_AND_DELETE).to_owned();
        let script = load.query_async(&mut connection).await.unwrap();
        Self { connection, script }
    }

    /// One acquisition and release of a key that nobody else wants.
    pub(crate) async fn pair(mut self, key: &str) {
        let owner = "a value of twenty byt";
        let set = redis::cmd("SET").arg(key).arg(owner).arg("NX").arg("PX").arg(30_000).to_owned();
        let taken: Option<String> = set.query_async(&mut self.connection).await.unwrap();
        assert!(taken.is_some());
        let delete = redis::cmd("EVALSHA").arg(&self.script).arg(1).arg(key).arg(owner).to_owned();
        let freed: u32 = delete.query_async(&mut self.connection).await.unwrap();
        assert_eq!(freed, 1);
    }
}
