//! The requests that [`LockManager`](crate::LockManager) hands out: set what differs from its defaults, then await.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use crate::candidate::obtain;
use crate::error::{Error, ErrorKind, Result};
use crate::guard::LockGuard;
use crate::key::LockKey;
use crate::lock::{Claim, Mode};
use crate::manager::LockManager;
use crate::owner::Owner;
use crate::reentrant::reenter;

type Answer<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// What both requests have in common.
struct Request {
    manager: LockManager,
    key: Result<LockKey>,
    mode: Mode,
    owner: Option<Owner>,
    lease: Option<Duration>,
    wait: Duration,
}

impl Request {
    async fn obtain(self) -> Result<Option<LockGuard>> {
        let key = self.key?;
        let terms = self.manager.options().terms(self.lease, self.wait).map_err(|error| error.with_key(&key))?;
        let claim = Claim::new(key, Owner::random()).with_mode(self.mode);
        let core = self.manager.into_core();
        match self.owner {
            Some(owner) => reenter(core, owner, claim, terms, self.lease).await,
            None => obtain(core, claim, terms).await,
        }
    }
}

/// A request for a lock, from [`LockManager::lock`]. Await it.
///
/// # Errors
///
/// [`ErrorKind::WaitTimeout`] when the lock was not free in time; otherwise as [`TryAcquire`].
///
/// # Cancel safety
///
/// Cancel safe: a caller that stops waiting gets no lock, and whatever was on its way is given back.
#[must_use = "nothing happens until the request is awaited"]
pub struct Acquire(Request);

/// A request for a lock that may be refused, from [`LockManager::try_lock`]. Await it.
///
/// # Errors
///
/// [`ErrorKind::InvalidKey`], [`ErrorKind::InvalidLease`] or [`ErrorKind::InvalidWait`] for what cannot work,
/// [`ErrorKind::ConfigInvalid`] for a manager whose times cannot,
/// [`ErrorKind::ShutDown`] after the manager's shutdown, and what the backend reports. While waiting, errors that may
/// pass are retried; the last one is returned when the time is over.
///
/// # Cancel safety
///
/// Cancel safe, as [`Acquire`].
#[must_use = "nothing happens until the request is awaited"]
pub struct TryAcquire(Request);

impl Acquire {
    pub(crate) fn new(manager: LockManager, key: Result<LockKey>) -> Self {
        let wait = manager.options().wait;
        Self(Request { manager, key, mode: Mode::Exclusive, owner: None, lease: None, wait })
    }

    /// Asks for the lock in another way than alone and in no particular order.
    pub const fn mode(mut self, mode: Mode) -> Self {
        self.0.mode = mode;
        self
    }

    /// Asks for the lock in the order of arrival: [`Mode::Fair`].
    pub const fn fair(self) -> Self {
        self.mode(Mode::Fair)
    }

    /// Asks on behalf of `owner`, who may have the lock already: then this is another guard of the same hold. See
    /// [`Owner`].
    pub const fn owner(mut self, owner: Owner) -> Self {
        self.0.owner = Some(owner);
        self
    }

    /// Takes the lock for `lease` and does not renew it. Without this it is renewed until released.
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.0.lease = Some(lease);
        self
    }

    /// Waits for up to `wait` instead of the manager's default; zero means one attempt.
    ///
    /// The answer can come later by the manager's command timeout, if an attempt is under way at the end.
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.0.wait = wait;
        self
    }
}

impl TryAcquire {
    pub(crate) const fn new(manager: LockManager, key: Result<LockKey>, wait: Duration) -> Self {
        Self(Request { manager, key, mode: Mode::Exclusive, owner: None, lease: None, wait })
    }

    /// Asks for the lock in another way than alone and in no particular order.
    pub const fn mode(mut self, mode: Mode) -> Self {
        self.0.mode = mode;
        self
    }

    /// Asks for the lock in the order of arrival: [`Mode::Fair`].
    pub const fn fair(self) -> Self {
        self.mode(Mode::Fair)
    }

    /// Asks on behalf of `owner`, who may have the lock already: then this is another guard of the same hold. See
    /// [`Owner`].
    pub const fn owner(mut self, owner: Owner) -> Self {
        self.0.owner = Some(owner);
        self
    }

    /// Takes the lock for `lease` and does not renew it. Without this it is renewed until released.
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.0.lease = Some(lease);
        self
    }
}

impl IntoFuture for Acquire {
    type Output = Result<LockGuard>;
    type IntoFuture = Answer<LockGuard>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let key = self.0.key.as_ref().ok().cloned();
            let wait = self.0.wait;
            self.0.obtain().await?.ok_or_else(|| {
                let context = format!("still held by another owner after {}", humantime::format_duration(wait));
                let error = Error::new(ErrorKind::WaitTimeout, context);
                if let Some(key) = key { error.with_key(key) } else { error }
            })
        })
    }
}

impl IntoFuture for TryAcquire {
    type Output = Result<Option<LockGuard>>;
    type IntoFuture = Answer<Option<LockGuard>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.0.obtain())
    }
}

impl Request {
    fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("key", &self.key)
            .field("mode", &self.mode)
            .field("lease", &self.lease)
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Acquire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.describe("Acquire", f)
    }
}

impl fmt::Debug for TryAcquire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.describe("TryAcquire", f)
    }
}
