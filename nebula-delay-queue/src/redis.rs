//! The Redis backend: sorted sets and Lua scripts, on the server's clock.

mod blob;
mod consumer;
mod keys;
mod lease;
mod look;
mod outbound;
mod scripts;
mod wake;

use std::{fmt, future::Future, sync::Arc, time::Duration};

use ::redis::{FromRedisValue, aio::ConnectionLike};
use async_trait::async_trait;
use nebula_redis::{Script, ScriptCall, Subscriber};

use self::{keys::Keys, outbound::Outbound, wake::Wake};
use crate::{
    Cancel, DelayQueueProducer, Error, ErrorKind, MessageId, QueueName, RawMessage, Reschedule, Result, Schedule,
    SendOutcome,
    clock::{ceil_ms, duration_ms},
};

/// As many messages as one script takes. Lua's `unpack` fails for some thousands, and a script blocks the server.
const BATCH: usize = 500;
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Queues on a Redis server, over any connection that can be cloned.
///
/// Every queue's keys share the hash tag `{queue}`, so that each operation is one atomic script on one node. Due times
/// and leases are counted on the server's clock. A [`Subscriber`] lets new messages wake sleeping workers at once;
/// without one they ask every 100 ms.
///
/// Messages are as durable as the server is configured to be: with `appendonly yes` and `appendfsync everysec` a crash
/// of the machine loses up to a second, with `always` nothing; a failover loses what had not been replicated.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use nebula_delay_queue::{DelayQueue, RedisDelayQueue, nebula_redis::RedisConfig};
///
/// let config = RedisConfig::new("redis://127.0.0.1/");
/// let redis = RedisDelayQueue::new(config.connect().await?).with_subscriber(config.subscriber()?);
/// let queue = DelayQueue::new(redis);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RedisDelayQueue<C> {
    connection: C,
    prefix: Arc<str>,
    wake: Wake,
    timeout: Duration,
    outbound: Outbound,
}

impl<C> RedisDelayQueue<C> {
    /// Queues over a connection.
    #[must_use]
    pub fn new(connection: C) -> Self {
        Self {
            connection,
            prefix: "nebula-delay:1".into(),
            wake: Wake::new(None),
            timeout: Duration::from_secs(5),
            outbound: Outbound::default(),
        }
    }

    /// Lets new messages wake sleeping workers in every process.
    #[must_use]
    pub fn with_subscriber(mut self, subscriber: Subscriber) -> Self {
        self.wake = Wake::new(Some(subscriber));
        self
    }

    /// What all keys and channels begin with. `nebula-delay:1` by default; the number is the version of the format.
    ///
    /// It must not contain braces, which would change the hash tag.
    #[must_use]
    pub fn with_key_prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.replace(['{', '}'], "_").into();
        self
    }

    /// How long any operation may take. 5 s by default.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    fn keys(&self, queue: &QueueName) -> Keys {
        Keys::new(&self.prefix, queue)
    }

    fn took_too_long(&self, context: &str) -> Error {
        Error::new(ErrorKind::Timeout, format!("{context} took longer than {:?}", self.timeout))
    }

    /// Passes on that something is due earlier than everything else; subscribers hear it from the server.
    fn woke(&self, queue: &QueueName, woke: bool) {
        if woke {
            self.wake.local(queue);
        }
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> RedisDelayQueue<C> {
    async fn invoke<T: FromRedisValue + Send + Sync>(&self, context: &'static str, call: ScriptCall<'_>) -> Result<T> {
        let mut connection = self.connection.clone();
        self.within(context, async move { call.invoke(&mut connection).await }).await
    }

    /// As [`invoke`](Self::invoke), for calls with very many arguments.
    async fn run<T: FromRedisValue + Send + Sync>(
        &self,
        context: &'static str,
        script: &Script,
        keys: &[&str],
        args: &[&str],
    ) -> Result<T> {
        let mut connection = self.connection.clone();
        let keys: Vec<_> = keys.iter().map(|key| key.as_bytes()).collect();
        let args: Vec<_> = args.iter().map(|arg| arg.as_bytes()).collect();
        self.within(context, async move { script.run(&keys, &args, &mut connection).await }).await
    }

    async fn within<T>(
        &self,
        context: &'static str,
        work: impl Future<Output = nebula_redis::Result<T>> + Send,
    ) -> Result<T> {
        match tokio::time::timeout(self.timeout, work).await {
            Ok(result) => result.map_err(|error| redis_error(error, context)),
            Err(_) => Err(self.took_too_long(context)),
        }
    }

    /// Stores messages in one call.
    async fn store(&self, queue: &QueueName, messages: &[RawMessage]) -> Result<Vec<SendOutcome>> {
        let keys = self.keys(queue);
        let mut call = scripts::SCHEDULE.key(&[&keys.msg, &keys.due[0], &keys.due[1], &keys.due[2]]).arg(&keys.channel);
        for message in messages {
            let (kind, time) = when(message.schedule);
            let rank = message.priority.rank();
            call = call.arg(message.id.as_str()).arg(rank).arg(kind).arg(time).arg(blob::write(message)?);
        }
        let result: Vec<u8> = self.invoke("storing messages", call).await?;
        let [woke, accepted @ ..] = &result[..] else { return Err(protocol("storing messages")) };
        self.woke(queue, *woke == 1);
        let outcome = |(message, accepted): (&RawMessage, &u8)| match accepted {
            1 => SendOutcome::Accepted(message.id.clone()),
            _ => SendOutcome::Duplicate(message.id.clone()),
        };
        Ok(messages.iter().zip(accepted).map(outcome).collect())
    }
}

/// How many of the messages fit into one call.
fn fitting(messages: &[RawMessage]) -> usize {
    let mut bytes = 0;
    let fits = |message: &&RawMessage| {
        bytes += message.body.len();
        bytes <= BATCH_BYTES
    };
    messages.iter().take(BATCH).take_while(fits).count().max(1)
}

#[async_trait]
impl<C: ConnectionLike + Clone + Send + Sync + 'static> DelayQueueProducer for RedisDelayQueue<C> {
    async fn enqueue(&self, queue: &QueueName, message: RawMessage) -> Result<SendOutcome> {
        message.check()?;
        self.send_one(queue, message).await
    }

    async fn enqueue_batch(&self, queue: &QueueName, messages: Vec<RawMessage>) -> Result<Vec<SendOutcome>> {
        for message in &messages {
            message.check()?;
        }
        let mut outcomes = Vec::with_capacity(messages.len());
        let mut rest = &messages[..];
        while !rest.is_empty() {
            let (call, later) = rest.split_at(fitting(rest));
            rest = later;
            outcomes.extend(self.store(queue, call).await?);
        }
        Ok(outcomes)
    }

    async fn cancel(&self, queue: &QueueName, id: &MessageId) -> Result<Cancel> {
        let Keys { msg, run, lease, due, .. } = &self.keys(queue);
        let call = scripts::CANCEL.key(&[msg, run, lease, &due[0], &due[1], &due[2]]).arg(id.as_str());
        Ok(if self.invoke("cancelling a message", call).await? { Cancel::Cancelled } else { Cancel::NotFound })
    }

    async fn reschedule(&self, queue: &QueueName, id: &MessageId, schedule: Schedule) -> Result<Reschedule> {
        schedule.check()?;
        let Keys { run, lease, due, channel, .. } = &self.keys(queue);
        let (kind, time) = when(schedule);
        let call = scripts::RESCHEDULE.key(&[run, lease, &due[0], &due[1], &due[2]]);
        let call = call.arg(channel).arg(id.as_str()).arg(kind).arg(time);
        let (found, woke) = self.invoke("rescheduling a message", call).await?;
        self.woke(queue, woke);
        Ok(if found { Reschedule::Rescheduled } else { Reschedule::NotFound })
    }

    async fn ping(&self) -> Result<()> {
        let mut connection = self.connection.clone();
        let ping = async move {
            ::redis::cmd("PING").query_async::<()>(&mut connection).await.map_err(nebula_redis::Error::from)
        };
        self.within("asking for a sign of life", ping).await
    }
}

/// A schedule as the scripts take it.
fn when(schedule: Schedule) -> (&'static str, u64) {
    match schedule {
        Schedule::After(delay) => ("after", duration_ms(delay)),
        Schedule::At(time) => ("at", ceil_ms(time)),
    }
}

fn protocol(context: &'static str) -> Error {
    Error::new(ErrorKind::Backend, format!("{context}: the script's answer is not what it should be"))
}

pub(crate) fn redis_error(error: nebula_redis::Error, context: &'static str) -> Error {
    use nebula_redis::ErrorKind as Redis;
    let kind = match error.kind() {
        Redis::Timeout => ErrorKind::Timeout,
        Redis::ConfigInvalid => ErrorKind::ConfigInvalid,
        Redis::Closed => ErrorKind::Closed,
        kind if kind.is_retryable() => ErrorKind::Unavailable,
        _ => ErrorKind::Backend,
    };
    Error::new(kind, context).with_source(error)
}

impl<C> fmt::Debug for RedisDelayQueue<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisDelayQueue")
            .field("prefix", &self.prefix)
            .field("wake", &self.wake)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
