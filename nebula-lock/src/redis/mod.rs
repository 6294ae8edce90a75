//! The Redis backend.

mod error;
mod keys;

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream;
use nebula_redis::{Script, Subscriber};
use redis::aio::ConnectionLike;

use crate::error::{Error, ErrorKind, Result};
use crate::fence::Fence;
use crate::key::LockKey;
use crate::lock::{Attempt, Busy, Claim, DistributedLock, Holder, Watch};
pub(crate) use error::unanswered;
use keys::Keys;

static ACQUIRE: LazyLock<Script> = LazyLock::new(|| Script::new("lock-acquire", include_str!("acquire.lua")));
static RENEW: LazyLock<Script> = LazyLock::new(|| Script::new("lock-renew", include_str!("renew.lua")));
static RELEASE: LazyLock<Script> = LazyLock::new(|| Script::new("lock-release", include_str!("release.lua")));
static INSPECT: LazyLock<Script> = LazyLock::new(|| Script::new("lock-inspect", include_str!("inspect.lua")));

/// Locks on one Redis server (6.2 or newer).
///
/// Commands go over any connection of the `redis` crate. Give it a [`Subscriber`] as well, so that a release wakes those
/// who wait; without it they poll.
///
/// ```no_run
/// use nebula_lock::{LockManager, RedisLock};
/// use nebula_redis::RedisConfig;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let redis = RedisConfig::new("redis://cache.internal/");
/// let backend = RedisLock::new(redis.connect().await?).with_subscriber(redis.subscriber()?);
/// let guard = LockManager::new(backend).lock("seat:1").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisLock<C> {
    connection: C,
    subscriber: Option<Subscriber>,
    namespace: Arc<str>,
}

impl<C> RedisLock<C> {
    /// Locks over `connection`, whose response timeout should be well below the shortest lease.
    #[must_use]
    pub fn new(connection: C) -> Self {
        Self { connection, subscriber: None, namespace: "nebula:lock".into() }
    }

    /// Wakes waiting callers through `subscriber`.
    #[must_use]
    pub fn with_subscriber(mut self, subscriber: Subscriber) -> Self {
        self.subscriber = Some(subscriber);
        self
    }

    /// Sets what the names of all keys and channels begin with; `nebula:lock` by default.
    #[must_use]
    pub fn with_namespace(mut self, namespace: impl Into<Arc<str>>) -> Self {
        self.namespace = namespace.into();
        self
    }

    fn keys(&self, key: &LockKey) -> Keys {
        Keys::new(&self.namespace, key)
    }
}

#[async_trait]
impl<C> DistributedLock for RedisLock<C>
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    async fn try_acquire(&self, claim: &Claim, lease: Duration) -> Result<Attempt> {
        let keys = self.keys(claim.key());
        let call = ACQUIRE.key(keys.lock).key(keys.fence).arg(claim.owner().to_string()).arg(millis(lease));
        let (acquired, number): (bool, i64) = call.invoke(&mut self.connection.clone()).await?;
        // A lock without a lease is none of ours; nobody knows when it ends.
        let number = u64::try_from(number).ok();
        Ok(match (acquired, number) {
            (true, number) => Attempt::Acquired(Fence::new(number.ok_or_else(|| nonsense("a negative fence token"))?)),
            (false, Some(rest)) => Attempt::Busy(Busy::new().with_retry_after(Duration::from_millis(rest))),
            (false, None) => Attempt::Busy(Busy::new()),
        })
    }

    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool> {
        let call = RENEW.key(self.keys(claim.key()).lock).arg(claim.owner().to_string()).arg(millis(lease));
        Ok(call.invoke(&mut self.connection.clone()).await?)
    }

    async fn release(&self, claim: &Claim) -> Result<bool> {
        let call = RELEASE.key(self.keys(claim.key()).lock).arg(claim.owner().to_string());
        Ok(call.invoke(&mut self.connection.clone()).await?)
    }

    async fn watch(&self, claim: &Claim) -> Result<Watch> {
        let Some(subscriber) = &self.subscriber else { return Ok(Watch::none()) };
        let subscription = subscriber.subscribe(&self.keys(claim.key()).lock).await?;
        // Every event is a hint: after a reconnect, too, the lock may have become free unheard.
        Ok(Watch::new(stream::unfold(subscription, async |mut subscription| {
            subscription.next().await.map(|_| ((), subscription))
        })))
    }

    async fn inspect(&self, key: &LockKey) -> Result<Option<Holder>> {
        let call = INSPECT.key(self.keys(key).lock);
        let reply: Result<Option<(String, u64, i64)>, _> = call.invoke(&mut self.connection.clone()).await;
        let Some((owner, fence, rest)) = reply.map_err(Error::from).map_err(unanswered)? else { return Ok(None) };
        let rest = u64::try_from(rest).map_or(Duration::MAX, Duration::from_millis);
        Ok(Some(Holder::new(owner.parse()?, Fence::new(fence), rest)))
    }

    async fn ping(&self) -> Result<()> {
        let pong: Result<redis::Value, _> = redis::cmd("PING").query_async(&mut self.connection.clone()).await;
        pong.map(drop).map_err(|error| unanswered(nebula_redis::Error::from(error).into()))
    }
}

/// Whole milliseconds, rounded down so that the server never believes in a hold longer than was asked for.
fn millis(lease: Duration) -> u64 {
    u64::try_from(lease.as_millis()).unwrap_or(u64::MAX).max(1)
}

fn nonsense(what: &'static str) -> Error {
    Error::new(ErrorKind::Backend, what)
}

impl<C> fmt::Debug for RedisLock<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLock")
            .field("namespace", &self.namespace)
            .field("subscriber", &self.subscriber.is_some())
            .finish_non_exhaustive()
    }
}
