//! The Redis backend.

mod error;
mod exclusive;
mod fair;
mod group;
mod keys;
mod quorum;
mod replicas;
mod scripts;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream;
use nebula_redis::{Connection, ScriptCall, Subscriber};
use redis::aio::ConnectionLike;

use crate::error::{Error, ErrorKind, Result};
use crate::fence::Fence;
use crate::key::LockKey;
use crate::lock::{Attempt, Busy, Claim, DistributedLock, Holder, Mode};
use crate::watch::{Hint, Watch};
pub(crate) use error::unanswered;
use group::Group;
use keys::Keys;
use replicas::Replicas;
use scripts::{INSPECT, READ_ACQUIRE, READ_RELEASE, READ_RENEW, RENEW, WRITE_ACQUIRE, WRITE_RELEASE};

/// How long a waiter of a fair lock, and a waiting writer, is believed to be alive without being heard of.
const HEARTBEAT: Duration = Duration::from_secs(3);

/// Locks on Redis (6.2 or newer): on one server, on the master that Sentinel names, or on a cluster, where all that belongs
/// to one lock lives in one slot.
///
/// Commands go over any connection of the `redis` crate; those of [`nebula_redis`] follow failovers. Give it a [`Subscriber`] as well, so that a release wakes those
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
    fenced: bool,
    group: Option<Arc<Group>>,
    replicas: Option<Arc<Replicas<C>>>,
}

impl<C> RedisLock<C> {
    /// Locks over `connection`, whose response timeout should be well below the shortest lease.
    #[must_use]
    pub fn new(connection: C) -> Self {
        let namespace = "nebula:lock".into();
        Self { connection, subscriber: None, namespace, fenced: true, group: None, replicas: None }
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

    /// Gives out no fence tokens for exclusive locks: [`Fence::NONE`], which a [`FenceGuard`](crate::FenceGuard) refuses.
    /// An acquisition is a bare `SET NX PX` then, a release a comparison and a deletion.
    ///
    /// For locks that save double work rather than protect a resource: a holder that is paused beyond its lease cannot
    /// be told from the next one. All processes that lock the same keys should agree on this.
    #[must_use]
    pub fn without_fences(mut self) -> Self {
        self.fenced = false;
        // What shares a script call has to be of one kind.
        self.group = self.group.map(|group| Arc::new(Group::new(group.above())));
        self
    }

    /// Lets the acquisitions and releases of exclusive locks share script calls ("group commit") while more than `above`
    /// of them are under way on this backend and its clones. Below that each goes by itself, which is faster then; 16 is
    /// a good value, 0 means always.
    ///
    /// It takes less than half the processor time for each operation and adds no delay. When a shared call fails, all
    /// operations in it have an unknown outcome, and are cleaned up after like any other of which no reply came. For a
    /// server by itself or behind Sentinel; on a cluster, where keys of one script must be in one slot, operations go one
    /// by one.
    #[must_use]
    pub fn with_group_commit(mut self, above: usize) -> Self {
        self.group = Some(Arc::new(Group::new(above)));
        self
    }

    fn keys(&self, key: &LockKey) -> Keys<'_> {
        Keys::new(&self.namespace, key)
    }
}

impl<C> RedisLock<C>
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    /// The policy by which the server may throw locks away when its memory is full; `None` if it does not. A server without a
    /// limit is never full: its policy matters once `maxmemory` is set, without anybody starting anew.
    ///
    /// [`LockConfig::connect`](crate::LockConfig::connect) asks this of every server and warns. Of a cluster, this asks one node; see
    /// [`on_each_server`](RedisLock::on_each_server).
    ///
    /// # Errors
    ///
    /// What the server reports, or [`ErrorKind::Backend`] if it does not tell.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: it changes nothing.
    pub async fn eviction(&self) -> Result<Option<String>> {
        let (limited, policy) = self.memory().await?;
        Ok(policy.filter(|_| limited))
    }

    /// Whether the server has a memory limit, and the policy by which it evicts, if it does once it has reached one.
    pub(crate) async fn memory(&self) -> Result<(bool, Option<String>)> {
        let info: Result<String, _> = redis::cmd("INFO").arg("memory").query_async(&mut self.connection.clone()).await;
        let info = info.map_err(|error| unanswered(nebula_redis::Error::from(error).into()))?;
        let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let (Some(limit), Some(policy)) = (field("maxmemory"), field("maxmemory_policy")) else {
            return Err(nonsense("the server does not tell its memory limit"));
        };
        Ok((limit != "0", Some(policy.to_owned()).filter(|policy| policy != "noeviction")))
    }

    /// The keys, beginning with `prefix`, that are held now. For tools: it walks over all keys of the server. Of a cluster, it
    /// sees one node; see [`on_each_server`](RedisLock::on_each_server).
    ///
    /// # Errors
    ///
    /// What the server reports.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: it changes nothing.
    pub async fn held(&self, prefix: &str) -> Result<Vec<LockKey>> {
        let mut connection = self.connection.clone();
        let mut held = Vec::new();
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(keys::pattern(&self.namespace)).arg("COUNT").arg(1000);
            let page: Result<(u64, Vec<String>), _> = scan.query_async(&mut connection).await;
            let page = page.map_err(|error| unanswered(nebula_redis::Error::from(error).into()))?;
            let names = page.1.iter().filter_map(|name| keys::key_of(&self.namespace, name));
            held.extend(names.filter(|key| key.as_str().starts_with(prefix)));
            cursor = page.0;
            if cursor == 0 {
                // A key may be seen twice.
                held.sort();
                held.dedup();
                return Ok(held);
            }
        }
    }
}

impl RedisLock<Connection> {
    /// The same locks on each server that takes writes, for [`eviction`](Self::eviction) and [`held`](Self::held): one for each
    /// master of a cluster, and one otherwise. Locks themselves are taken from the whole.
    ///
    /// # Errors
    ///
    /// What the nodes of a cluster report.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: it changes nothing.
    pub async fn on_each_server(&self) -> Result<Vec<Self>> {
        let servers = self.connection.servers().await.map_err(|error| unanswered(error.into()))?;
        let namespace = &self.namespace;
        Ok(servers.into_iter().map(|server| Self::new(server).with_namespace(Arc::clone(namespace))).collect())
    }
}

impl<C> RedisLock<C>
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    async fn ask(&self, claim: &Claim, lease: Duration) -> Result<Attempt> {
        match claim.mode() {
            Mode::Exclusive => self.acquire(claim, lease).await,
            Mode::Fair => self.queue_up(claim, lease).await,
            Mode::Read | Mode::Write => {
                let call = read_or_write(claim, lease, &self.keys(claim.key()));
                attempt(call.invoke(&mut self.connection.clone()).await?)
            }
        }
    }
}

#[async_trait]
impl<C> DistributedLock for RedisLock<C>
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    async fn try_acquire(&self, claim: &Claim, lease: Duration) -> Result<Attempt> {
        match &self.replicas {
            None => self.ask(claim, lease).await,
            Some(replicas) => self.ask_replicated(replicas, claim, lease).await,
        }
    }

    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool> {
        let keys = self.keys(claim.key());
        let call = match claim.mode() {
            Mode::Exclusive | Mode::Fair | Mode::Write => RENEW.key(&keys.lock).arg(format!("{}:", claim.owner())),
            Mode::Read => {
                let call = READ_RENEW.key(&keys.lock).key(keys.part("readers")).key(keys.part("tokens"));
                call.arg(claim.owner().to_string())
            }
        };
        let call = call.arg(millis(lease));
        Ok(call.invoke(&mut self.connection.clone()).await?)
    }

    async fn release(&self, claim: &Claim) -> Result<bool> {
        let keys = self.keys(claim.key());
        let call = match claim.mode() {
            Mode::Exclusive => return self.give_back(claim).await,
            Mode::Fair => return self.pass_on(claim).await,
            Mode::Read => READ_RELEASE.key(&keys.lock).key(keys.part("readers")).key(keys.part("tokens")),
            Mode::Write => WRITE_RELEASE.key(&keys.lock).key(keys.part("writers")),
        };
        let call = call.arg(claim.owner().to_string());
        Ok(call.invoke(&mut self.connection.clone()).await?)
    }

    async fn watch(&self, claim: &Claim) -> Result<Watch> {
        let Some(subscriber) = &self.subscriber else { return Ok(Watch::none()) };
        let channel = self.keys(claim.key()).lock;
        if claim.mode() == Mode::Fair {
            return Ok(self.hear(claim, subscriber.subscribe_for(&channel, fair::wanted(claim)).await?));
        }
        Ok(Watch::new(stream::unfold(subscriber.subscribe(&channel).await?, async |mut subscription| {
            // After a reconnect, too, the lock may have become free unheard.
            subscription.next().await.map(|_| (Hint::Look, subscription))
        })))
    }

    fn join_watch(&self, claim: &Claim) -> Option<Watch> {
        let channel = self.keys(claim.key()).lock;
        Some(self.hear(claim, self.subscriber.as_ref()?.join(&channel, fair::wanted(claim))?))
    }

    async fn inspect(&self, key: &LockKey) -> Result<Option<Holder>> {
        let keys = self.keys(key);
        let mut call = INSPECT.key(&keys.lock);
        for part in ["alive", "readers", "tokens", "writers"] {
            call = call.key(keys.part(part));
        }
        let reply: Result<Option<(String, u64, i64, usize, usize)>, _> =
            call.invoke(&mut self.connection.clone()).await;
        let reply = reply.map_err(Error::from).map_err(unanswered)?;
        let Some((owner, fence, rest, readers, waiting)) = reply else { return Ok(None) };
        let rest = u64::try_from(rest).map_or(Duration::MAX, Duration::from_millis);
        let holder = Holder::new(owner.parse()?, Fence::new(fence), rest);
        let holder = if readers > 0 { holder.sharing_with(readers - 1) } else { holder };
        Ok(Some(holder.with_waiting(waiting)))
    }

    async fn ping(&self) -> Result<()> {
        let pong: Result<redis::Value, _> = redis::cmd("PING").query_async(&mut self.connection.clone()).await;
        pong.map(drop).map_err(|error| unanswered(nebula_redis::Error::from(error).into()))
    }
}

/// The attempt of a reader or of a writer.
fn read_or_write(claim: &Claim, lease: Duration, keys: &Keys<'_>) -> ScriptCall<'static> {
    let call = match claim.mode() {
        Mode::Read => {
            let call = READ_ACQUIRE.key(&keys.lock).key(keys.fence()).key(keys.part("readers"));
            call.key(keys.part("tokens")).key(keys.part("writers"))
        }
        _ => WRITE_ACQUIRE.key(&keys.lock).key(keys.fence()).key(keys.part("writers")),
    };
    call.arg(claim.owner().to_string()).arg(millis(lease)).arg(millis(HEARTBEAT))
}

/// What a script that acquires has returned.
fn attempt((acquired, number): (bool, i64)) -> Result<Attempt> {
    // A lock without a lease is none of ours; nobody knows when it ends.
    let number = u64::try_from(number).ok();
    Ok(match (acquired, number) {
        (true, number) => Attempt::Acquired(Fence::new(number.ok_or_else(|| nonsense("a negative fence token"))?)),
        (false, Some(rest)) => Attempt::Busy(Busy::new().with_retry_after(Duration::from_millis(rest))),
        (false, None) => Attempt::Busy(Busy::new()),
    })
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
