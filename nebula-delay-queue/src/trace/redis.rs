//! On a Redis server: a list for each message, a sorted set for each queue of what is to come.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, LazyLock},
    time::{Duration, SystemTime},
};

use ::redis::{FromRedisValue, Pipeline, aio::ConnectionLike};
use async_trait::async_trait;
use nebula_redis::Script;
use tokio::time::timeout;

use super::{Pending, TraceEvent, TraceStore, Traced, in_order};
use crate::{
    Error, ErrorKind, MessageId, QueueName, Result,
    clock::{duration_ms, floor_ms, from_ms},
    redis::redis_error,
};

const EVENTS: usize = 64;

static RECORD: LazyLock<Script> =
    LazyLock::new(|| Script::new("nebula-delay-queue/trace/record", include_str!("lua/record.lua")));

/// Keeps the lives of messages on a Redis server, for all processes that use it, for seven days unless
/// [`keep`](Self::keep) says otherwise.
#[derive(Clone)]
pub struct RedisTrace<C> {
    connection: C,
    prefix: Arc<str>,
    keep: Duration,
    timeout: Duration,
}

impl<C> RedisTrace<C> {
    /// Lives over a connection.
    #[must_use]
    pub fn new(connection: C) -> Self {
        let keep = Duration::from_secs(7 * 24 * 3600);
        Self { connection, prefix: "nebula-delay-trace:1".into(), keep, timeout: Duration::from_secs(5) }
    }

    /// What all keys begin with. `nebula-delay-trace:1` by default; the number is the version of the format.
    #[must_use]
    pub fn with_key_prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.replace(['{', '}'], "_").into();
        self
    }

    /// How long a life is kept after its latest event, and how long an undelivered message is missed.
    #[must_use]
    pub fn keep(mut self, keep: Duration) -> Self {
        self.keep = keep;
        self
    }

    fn key(&self, queue: &QueueName, id: &MessageId) -> String {
        format!("{}:{{{queue}}}:life:{id}", self.prefix)
    }

    fn pending_key(&self, queue: &QueueName) -> String {
        format!("{}:{{{queue}}}:pending", self.prefix)
    }

    fn queues_key(&self) -> String {
        format!("{}:queues", self.prefix)
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> RedisTrace<C> {
    async fn run<T: FromRedisValue + Send>(&self, context: &'static str, pipe: &Pipeline) -> Result<T> {
        let mut connection = self.connection.clone();
        let answer = async { pipe.query_async(&mut connection).await.map_err(nebula_redis::Error::from) };
        self.within(context, answer).await
    }

    async fn within<T>(
        &self,
        context: &'static str,
        work: impl Future<Output = nebula_redis::Result<T>> + Send,
    ) -> Result<T> {
        match timeout(self.timeout, work).await {
            Ok(answer) => answer.map_err(|error| redis_error(error, context)),
            Err(_) => Err(Error::new(ErrorKind::Timeout, format!("{context} took longer than {:?}", self.timeout))),
        }
    }
}

#[async_trait]
impl<C: ConnectionLike + Clone + Send + Sync + 'static> TraceStore for RedisTrace<C> {
    async fn record(&self, events: &[Traced]) -> Result<()> {
        // One pipeline for each queue, whose keys lie on one node.
        let mut queues = BTreeMap::<_, Vec<_>>::new();
        for traced in events {
            queues.entry(&traced.queue).or_default().push(traced);
        }
        for (queue, events) in queues {
            let keep = duration_ms(self.keep);
            let forgotten = floor_ms(SystemTime::now()).saturating_sub(keep);
            let mut call = RECORD.key(self.pending_key(queue)).arg(EVENTS).arg(keep).arg(forgotten);
            for Traced { id, event, .. } in events {
                let text = serde_json::to_string(event)
                    .map_err(|error| Error::new(ErrorKind::Codec, "encoding an event").with_source(error))?;
                let due = match event.what.expects(event.at) {
                    Some(Some(due)) => floor_ms(due).to_string(),
                    Some(None) => "-".to_owned(),
                    None => String::new(),
                };
                call = call.key(self.key(queue, id)).arg(id.as_str()).arg(floor_ms(event.at)).arg(due).arg(text);
            }
            let mut connection = self.connection.clone();
            self.within("recording events", call.invoke::<u64>(&mut connection)).await?;
            let mut name = ::redis::pipe();
            name.sadd(self.queues_key(), queue.as_str()).ignore();
            self.run::<()>("recording a queue", &name).await?;
        }
        Ok(())
    }

    async fn trace(&self, queue: &QueueName, id: &MessageId) -> Result<Vec<TraceEvent>> {
        let mut pipe = ::redis::pipe();
        pipe.lrange(self.key(queue, id), 0, -1);
        let (events,): (Vec<String>,) = self.run("reading a life", &pipe).await?;
        // What a newer version wrote is passed over.
        let read = |event: &String| serde_json::from_str(event.split_once('|')?.1).ok();
        Ok(in_order(events.iter().filter_map(read).collect()))
    }

    async fn pending(&self, queue: &QueueName, by: SystemTime, limit: usize) -> Result<Vec<Pending>> {
        let mut pipe = ::redis::pipe();
        pipe.cmd("ZRANGEBYSCORE").arg(self.pending_key(queue)).arg("-inf").arg(floor_ms(by));
        pipe.arg("WITHSCORES").arg("LIMIT").arg(0).arg(limit);
        let (found,): (Vec<(String, u64)>,) = self.run("reading what is pending", &pipe).await?;
        found.into_iter().map(|(id, due)| Ok(Pending::new(MessageId::new(id)?, from_ms(due)))).collect()
    }

    async fn queues(&self) -> Result<Vec<QueueName>> {
        let mut pipe = ::redis::pipe();
        pipe.smembers(self.queues_key());
        let (mut names,): (Vec<String>,) = self.run("reading the queues", &pipe).await?;
        names.sort();
        names.into_iter().map(QueueName::new).collect()
    }
}

impl<C> fmt::Debug for RedisTrace<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisTrace").field("prefix", &self.prefix).field("keep", &self.keep).finish_non_exhaustive()
    }
}
