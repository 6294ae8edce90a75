//! The handle that applications hold.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tracing::warn;

use crate::acquire::{Acquire, TryAcquire};
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::key::{IntoLockKey, LockKey};
use crate::lock::{DistributedLock, Holder, Mode};
use crate::multi::{AcquireAll, TryAcquireAll};
use crate::options::Options;

/// Hands out locks: waits for them, renews them, notices their loss and cleans up behind callers that went away.
///
/// Cheap to clone; clones share the backend and [`shutdown`](Self::shutdown). The `with_` methods change one clone, so a
/// part of an application can have its own defaults:
///
/// ```
/// use std::time::Duration;
/// use nebula_lock::{LockManager, MemoryLock};
///
/// let locks = LockManager::new(MemoryLock::new());
/// let seats = locks.clone().with_prefix("seat:").with_wait(Duration::from_secs(2));
/// ```
#[derive(Clone, Debug)]
pub struct LockManager {
    core: Arc<Core>,
    options: Options,
    prefix: Arc<str>,
}

/// A sign of life, from [`LockManager::health`].
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Health {
    /// Time from asking the backend to its answer.
    pub round_trip: Duration,
    /// Locks that this manager and its clones hold.
    pub held: usize,
    /// Callers that are waiting for a lock of this manager or its clones.
    pub waiting: usize,
}

/// How [`LockManager::shutdown`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Every lock was released and every clean-up has ended.
    Drained,
    /// Time ran out. The holders were told through [`LockGuard::lost`](crate::LockGuard::lost); locks that they do not
    /// release yet end with their leases.
    TimedOut {
        /// How many locks were still held.
        held: usize,
    },
}

impl LockManager {
    /// A manager of the locks of `backend`, with a lease of 30 s that is renewed every 10 s, and a wait of 10 s.
    pub fn new(backend: impl DistributedLock) -> Self {
        Self { core: Core::new(Arc::new(backend)), options: Options::default(), prefix: Arc::default() }
    }

    /// Sets the lease of locks for which the call names none. It is renewed every third of it.
    #[must_use]
    pub const fn with_lease(mut self, lease: Duration) -> Self {
        self.options.lease = lease;
        self
    }

    /// Sets the lease that renewals ask for, if it is to differ from the first lease: the time that passes after a
    /// holder's death until its lock is free. If the first lease is longer, none of it is given up.
    #[must_use]
    pub const fn with_watchdog(mut self, timeout: Duration) -> Self {
        self.options.watchdog = Some(timeout);
        self
    }

    /// Sets how long [`lock`](Self::lock) waits for which the call names no time.
    #[must_use]
    pub const fn with_wait(mut self, wait: Duration) -> Self {
        self.options.wait = wait;
        self
    }

    /// Sets the longest time any lock is held: it is not renewed beyond and counts as lost then. Unlimited by default.
    #[must_use]
    pub const fn with_max_hold(mut self, most: Duration) -> Self {
        self.options.max_hold = Some(most);
        self
    }

    /// Sets after which time a hold is reported as a long one, once, while it lasts (1 min by default): with a warning and in
    /// `nebula_lock_long_holds_total`. It changes nothing else.
    #[must_use]
    pub const fn with_warn_hold(mut self, after: Duration) -> Self {
        self.options.long_hold = after;
        self
    }

    /// Sets how often a waiting caller tries again where the backend cannot wake it (100 ms by default). Where it can, a
    /// tenth as often, as a safety net. With more than a year, every request is refused with [`ErrorKind::ConfigInvalid`].
    #[must_use]
    pub const fn with_retry_interval(mut self, interval: Duration) -> Self {
        self.options.retry_interval = interval;
        self
    }

    /// Sets how long to wait for the reply to one command (3 s by default) before its outcome counts as unknown. With more than a
    /// year, every request is refused with [`ErrorKind::ConfigInvalid`].
    #[must_use]
    pub const fn with_command_timeout(mut self, timeout: Duration) -> Self {
        self.options.command_timeout = timeout;
        self
    }

    /// Lets the callers of this process that wait for the same lock queue for it among themselves, so that one of them
    /// contends for it on the backend (the default); without it each of them does. It concerns exclusive locks and
    /// writers that wait.
    #[must_use]
    pub const fn with_local_queue(mut self, queue: bool) -> Self {
        self.options.local_queue = queue;
        self
    }

    /// Puts `prefix` before every key, behind a prefix that is there already.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl AsRef<str>) -> Self {
        self.prefix = format!("{}{}", self.prefix, prefix.as_ref()).into();
        self
    }

    /// Asks for a lock and waits for it; see [`Acquire`] for what can be set, and for errors.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use nebula_lock::{LockManager, MemoryLock};
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # let manager = LockManager::new(MemoryLock::new());
    /// let guard = manager.lock("seat:1").wait(Duration::from_secs(2)).await?;
    /// // ... work, with guard.fence() as proof ...
    /// guard.release().await;
    /// # Ok::<_, nebula_lock::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn lock(&self, key: impl IntoLockKey) -> Acquire {
        Acquire::new(self.clone(), self.key(key))
    }

    /// Asks for a lock that readers share. While a writer waits, no further readers get in.
    pub fn read(&self, key: impl IntoLockKey) -> Acquire {
        self.lock(key).mode(Mode::Read)
    }

    /// Asks for a lock that excludes readers and other writers.
    pub fn write(&self, key: impl IntoLockKey) -> Acquire {
        self.lock(key).mode(Mode::Write)
    }

    /// Asks for a lock once; `None` if somebody else holds it.
    pub fn try_lock(&self, key: impl IntoLockKey) -> TryAcquire {
        self.try_lock_for(key, Duration::ZERO)
    }

    /// Asks for a lock and waits for up to `wait`; `None` if somebody else held it all the time.
    pub fn try_lock_for(&self, key: impl IntoLockKey, wait: Duration) -> TryAcquire {
        TryAcquire::new(self.clone(), self.key(key), wait)
    }

    /// Asks for several locks, all or none, and waits for them; see [`AcquireAll`].
    ///
    /// ```
    /// # use nebula_lock::{LockManager, MemoryLock};
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # let manager = LockManager::new(MemoryLock::new());
    /// let guards = manager.lock_all(["seat:2", "seat:1", "seat:2"]).await?;
    /// assert_eq!(guards.iter().map(|guard| guard.key().as_str()).collect::<Vec<_>>(), ["seat:1", "seat:2"]);
    /// guards.release().await;
    /// # Ok::<_, nebula_lock::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn lock_all<K: IntoLockKey>(&self, keys: impl IntoIterator<Item = K>) -> AcquireAll {
        AcquireAll::new(self.clone(), self.keys(keys))
    }

    /// Asks for several locks once; `None` if somebody else holds one of them.
    pub fn try_lock_all<K: IntoLockKey>(&self, keys: impl IntoIterator<Item = K>) -> TryAcquireAll {
        TryAcquireAll::new(self.clone(), self.keys(keys))
    }

    /// Who holds a lock now; `None` if nobody does.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidKey`], and what the backend reports.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: it changes nothing.
    pub async fn inspect(&self, key: impl IntoLockKey + Send) -> Result<Option<Holder>> {
        let key = self.key(key)?;
        self.answer(self.core.backend.inspect(&key)).await.map_err(|error| error.with_key(&key))
    }

    /// Ends the hold that [`inspect`](Self::inspect) shows, whoever has it, and returns it; of several readers, one. For
    /// operators: the holder is told only by its next renewal, so the fence alone protects the resource until then.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidKey`], and what the backend reports.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the hold may or may not have ended.
    pub async fn force_release(&self, key: impl IntoLockKey + Send) -> Result<Option<Holder>> {
        let key = self.key(key)?;
        let named = |error: Error| error.with_key(&key);
        let Some(holder) = self.answer(self.core.backend.inspect(&key)).await.map_err(named)? else { return Ok(None) };
        let ended = self.answer(self.core.backend.release(&holder.claim(key.clone()))).await.map_err(named)?;
        if ended {
            warn!(%key, owner = %holder.owner(), fence = %holder.fence(), "lock released by force");
        }
        Ok(ended.then_some(holder))
    }

    /// Asks the backend for a sign of life.
    ///
    /// # Errors
    ///
    /// What the backend reports, or [`ErrorKind::Unavailable`] if it does not answer within the command timeout.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: it changes nothing.
    pub async fn health(&self) -> Result<Health> {
        let start = Instant::now();
        self.answer(self.core.backend.ping()).await?;
        Ok(Health { round_trip: start.elapsed(), held: self.core.held.get(), waiting: self.core.waiting.get() })
    }

    /// Refuses new locks and waits until all that are held have been released, for up to `timeout`.
    ///
    /// Locks keep being renewed meanwhile. Callers that wait for a lock get an error of kind
    /// [`ErrorKind::ShutDown`].
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: new locks stay refused, and it can be called again.
    pub async fn shutdown(&self, within: Duration) -> Shutdown {
        self.core.close();
        self.core.tasks.close();
        if timeout(within, self.core.tasks.wait()).await.is_ok() {
            return Shutdown::Drained;
        }
        let held = self.core.held.get();
        self.core.forced.cancel();
        Shutdown::TimedOut { held }
    }

    pub(crate) fn with_options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    pub(crate) const fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) fn into_core(self) -> Arc<Core> {
        self.core
    }

    fn keys<K: IntoLockKey>(&self, keys: impl IntoIterator<Item = K>) -> Result<Vec<LockKey>> {
        keys.into_iter().map(|key| self.key(key)).collect()
    }

    /// Asks for a lock whose key has its prefix already.
    pub(crate) fn request(&self, key: LockKey, wait: Duration) -> TryAcquire {
        TryAcquire::new(self.clone(), Ok(key), wait)
    }

    pub(crate) fn key(&self, key: impl IntoLockKey) -> Result<LockKey> {
        key.into_lock_key()?.prefixed(&self.prefix)
    }

    async fn answer<T>(&self, reply: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let limit = self.options.command_timeout;
        timeout(limit, reply).await.unwrap_or_else(|_| {
            let context = format!("no reply within {}", humantime::format_duration(limit));
            Err(Error::new(ErrorKind::Unavailable, context))
        })
    }
}
