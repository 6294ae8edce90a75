//! On a Redis server: one key for each message.

use std::{
    fmt,
    sync::{Arc, LazyLock},
    time::Duration,
};

use ::redis::{FromRedisValue, aio::ConnectionLike};
use async_trait::async_trait;
use nebula_redis::{Script, ScriptCall};
use tokio::time::timeout;

use super::{Begin, IdempotencyStore};
use crate::{Error, ErrorKind, LeaseToken, MessageId, QueueName, Result, clock::duration_ms, redis::redis_error};

macro_rules! script {
    ($name:ident, $file:literal) => {
        static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!("nebula-delay-queue/idempotency/", $file), include_str!(concat!("lua/", $file, ".lua")))
        });
    };
}

script!(BEGIN, "begin");
script!(COMPLETE, "complete");
script!(ABANDON, "abandon");

/// Remembers on a Redis server what took effect, for all processes that use it.
///
/// Marks are as durable as the server is configured to be, and they must not be evicted: use a server whose
/// `maxmemory-policy` is `noeviction`.
#[derive(Clone)]
pub struct RedisIdempotency<C> {
    connection: C,
    prefix: Arc<str>,
    timeout: Duration,
}

impl<C> RedisIdempotency<C> {
    /// Marks over a connection.
    #[must_use]
    pub fn new(connection: C) -> Self {
        Self { connection, prefix: "nebula-delay-done:1".into(), timeout: Duration::from_secs(5) }
    }

    /// What all keys begin with. `nebula-delay-done:1` by default; the number is the version of the format.
    #[must_use]
    pub fn with_key_prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long any operation may take. 5 s by default.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Queue names hold no colon, so that no two messages share a key.
    fn key(&self, queue: &QueueName, id: &MessageId) -> String {
        format!("{}:{queue}:{id}", self.prefix)
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> RedisIdempotency<C> {
    async fn invoke<T: FromRedisValue + Send>(&self, context: &'static str, call: ScriptCall<'_>) -> Result<T> {
        let mut connection = self.connection.clone();
        match timeout(self.timeout, call.invoke(&mut connection)).await {
            Ok(answer) => answer.map_err(|error| redis_error(error, context)),
            Err(_) => Err(Error::new(ErrorKind::Timeout, format!("{context} took longer than {:?}", self.timeout))),
        }
    }
}

#[async_trait]
impl<C: ConnectionLike + Clone + Send + Sync + 'static> IdempotencyStore for RedisIdempotency<C> {
    async fn begin(&self, queue: &QueueName, id: &MessageId, token: LeaseToken, lease: Duration) -> Result<Begin> {
        let call = BEGIN.key(self.key(queue, id)).arg(token.to_string()).arg(duration_ms(lease).max(1));
        Ok(match self.invoke::<i64>("beginning a message", call).await? {
            0 => Begin::Fresh,
            left => u64::try_from(left).map_or(Begin::Done, |left| Begin::Busy(Duration::from_millis(left))),
        })
    }

    async fn complete(&self, queue: &QueueName, id: &MessageId, token: LeaseToken, keep: Duration) -> Result<bool> {
        let call = COMPLETE.key(self.key(queue, id)).arg(token.to_string()).arg(duration_ms(keep).max(1));
        self.invoke("completing a message", call).await
    }

    async fn abandon(&self, queue: &QueueName, id: &MessageId, token: LeaseToken) -> Result<()> {
        let call = ABANDON.key(self.key(queue, id)).arg(token.to_string());
        self.invoke::<i64>("abandoning a message", call).await.map(drop)
    }
}

impl<C> fmt::Debug for RedisIdempotency<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisIdempotency").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
