//! What the expansion of `#[distributed_lock]` calls. Not part of the public interface.

use std::future::Future;
use std::time::Duration;

use tracing::warn;

use crate::error::{LockError, Result};
use crate::fence::Fence;
use crate::guard::Release;
use crate::key::{IntoLockKey, LockKey};
use crate::manager::LockManager;

/// The manager; `&expr` of anything that dereferences to one coerces to the argument.
#[must_use]
pub fn manager(manager: &LockManager) -> LockManager {
    manager.clone()
}

/// The checked key.
pub fn key(key: impl IntoLockKey) -> Result<LockKey> {
    key.into_lock_key()
}

/// Takes the lock, runs the work under it, releases the lock.
pub async fn locked<T, E, F>(
    manager: LockManager,
    key: Result<LockKey>,
    wait: Option<Duration>,
    lease: Option<Duration>,
    work: impl FnOnce(Fence) -> F,
) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
    E: From<LockError>,
{
    let mut request = manager.lock(key?);
    if let Some(wait) = wait {
        request = request.wait(wait);
    }
    if let Some(lease) = lease {
        request = request.lease(lease);
    }
    let guard = request.await?;
    let output = guard.run(work(guard.fence())).await.map_err(LockError::from)?;
    let key = guard.key().clone();
    if guard.release().await == Release::AlreadyLost {
        warn!(%key, "the function ended, but its lock had been lost before");
    }
    output
}
