//! Several locks at once, all or none.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use futures_util::future::{join_all, select_all};
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::guard::{LockGuard, Release};
use crate::key::LockKey;
use crate::lost::Lost;
use crate::manager::LockManager;

type Answer<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// A request for several locks, from [`LockManager::lock_all`]. Await it.
///
/// The locks are taken one after the other in the order of their keys, so that callers cannot wait for each other in a
/// circle. Each takes a round trip, and each lease begins when its lock is taken. It works on any backend, on every node
/// of a cluster. A key that is named twice is taken once.
///
/// # Errors
///
/// [`ErrorKind::WaitTimeout`] when one of them was not free in time, [`ErrorKind::InvalidKey`] without any key, otherwise
/// as [`TryAcquire`](crate::TryAcquire). Those that were taken are released.
///
/// # Cancel safety
///
/// Cancel safe: what was taken is given back.
#[derive(Debug)]
#[must_use = "nothing happens until the request is awaited"]
pub struct AcquireAll(Request);

/// A request for several locks that may be refused, from [`LockManager::try_lock_all`]. Await it.
///
/// # Errors
///
/// As [`AcquireAll`], except that a lock held by somebody else is no error.
///
/// # Cancel safety
///
/// Cancel safe, as [`AcquireAll`].
#[derive(Debug)]
#[must_use = "nothing happens until the request is awaited"]
pub struct TryAcquireAll(Request);

/// Several locks that are held. Dropping it releases them in the background.
#[derive(Debug)]
#[must_use = "the locks are released as soon as the guard is dropped"]
pub struct MultiGuard {
    guards: Vec<LockGuard>,
}

#[derive(Debug)]
struct Request {
    manager: LockManager,
    keys: Result<Vec<LockKey>>,
    lease: Option<Duration>,
    wait: Duration,
}

impl Request {
    /// The guard, or the key that was not free.
    async fn obtain(self) -> Result<Result<MultiGuard, LockKey>> {
        let mut keys = self.keys?;
        keys.sort();
        keys.dedup();
        if keys.is_empty() {
            return Err(Error::new(ErrorKind::InvalidKey, "no key at all"));
        }
        let start = Instant::now();
        let mut guards = Vec::with_capacity(keys.len());
        for key in keys {
            let rest = self.wait.saturating_sub(start.elapsed());
            let mut request = self.manager.request(key.clone(), rest);
            if let Some(lease) = self.lease {
                request = request.lease(lease);
            }
            match request.await? {
                Some(guard) => guards.push(guard),
                None => return Ok(Err(key)),
            }
        }
        let guard = MultiGuard { guards };
        // The first leases may have ended while the last locks were waited for.
        match guard.loss() {
            Some(lost) => Err(lost.into()),
            None => Ok(Ok(guard)),
        }
    }
}

impl AcquireAll {
    pub(crate) const fn new(manager: LockManager, keys: Result<Vec<LockKey>>) -> Self {
        let wait = manager.options().wait;
        Self(Request { manager, keys, lease: None, wait })
    }

    /// Takes each lock for `lease` and does not renew it. Without this they are renewed until released.
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.0.lease = Some(lease);
        self
    }

    /// Waits for up to `wait`, for all of them together, instead of the manager's default.
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.0.wait = wait;
        self
    }
}

impl TryAcquireAll {
    pub(crate) const fn new(manager: LockManager, keys: Result<Vec<LockKey>>) -> Self {
        Self(Request { manager, keys, lease: None, wait: Duration::ZERO })
    }

    /// Takes each lock for `lease` and does not renew it. Without this they are renewed until released.
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.0.lease = Some(lease);
        self
    }
}

impl IntoFuture for AcquireAll {
    type Output = Result<MultiGuard>;
    type IntoFuture = Answer<MultiGuard>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            self.0.obtain().await?.map_err(|key| {
                Error::new(ErrorKind::WaitTimeout, "one of several locks is held by another owner").with_key(key)
            })
        })
    }
}

impl IntoFuture for TryAcquireAll {
    type Output = Result<Option<MultiGuard>>;
    type IntoFuture = Answer<Option<MultiGuard>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { Ok(self.0.obtain().await?.ok()) })
    }
}

impl MultiGuard {
    /// The guards of the single locks, in the order of their keys.
    pub fn iter(&self) -> std::slice::Iter<'_, LockGuard> {
        self.guards.iter()
    }

    /// Whether one of the locks is lost.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.guards.iter().any(LockGuard::is_lost)
    }

    /// Resolves when the first of the locks is lost.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub fn lost(&self) -> impl Future<Output = Lost> + Send + use<> {
        let all = select_all(self.guards.iter().map(|guard| Box::pin(guard.lost())));
        async move { all.await.0 }
    }

    /// Runs `work` and drops it if one of the locks is lost before it ends.
    ///
    /// # Errors
    ///
    /// [`Lost`] with the first lock that was lost; what `work` did until then stays done.
    ///
    /// # Cancel safety
    ///
    /// As safe as `work` is.
    pub async fn run<F: Future>(&self, work: F) -> Result<F::Output, Lost> {
        let output = tokio::select! {
            biased;
            lost = self.lost() => return Err(lost),
            output = work => output,
        };
        self.loss().map_or(Ok(output), Err)
    }

    /// Releases all locks together and tells the worst outcome: unknown, then lost before, then released.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the locks are released in the background if the future is dropped.
    pub async fn release(self) -> Release {
        let outcomes = join_all(self.guards.into_iter().map(LockGuard::release)).await;
        let rank = |outcome: &Release| match outcome {
            Release::Released => 0,
            Release::StillHeld => 1,
            Release::AlreadyLost => 2,
            Release::Unknown => 3,
        };
        outcomes.into_iter().max_by_key(rank).unwrap_or(Release::Released)
    }

    fn loss(&self) -> Option<Lost> {
        self.guards.iter().find_map(LockGuard::loss)
    }
}

impl<'a> IntoIterator for &'a MultiGuard {
    type Item = &'a LockGuard;
    type IntoIter = std::slice::Iter<'a, LockGuard>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
