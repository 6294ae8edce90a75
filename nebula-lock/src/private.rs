//! What the expansion of `#[distributed_lock]` calls. Not part of the public interface.

use std::future::Future;
use std::time::Duration;

use tracing::{debug, warn};

use crate::error::{ErrorKind, LockError, Result};
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

/// What a function under a lock returns: it has to have room for "not done".
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no room for a lock that was not to be had",
    label = "this is neither a `Result` nor an `Option`",
    note = "#[distributed_lock] needs a function that returns `Result<T, E>` with `E: From<LockError>`, or `Option<T>`"
)]
pub trait Locked {
    /// The function did not run, or not to its end.
    fn not_done(error: LockError) -> Self;
}

impl<T, E: From<LockError>> Locked for Result<T, E> {
    fn not_done(error: LockError) -> Self {
        Err(error.into())
    }
}

/// For work that is skipped while somebody else does it: that is no news, everything else is.
impl<T> Locked for Option<T> {
    fn not_done(error: LockError) -> Self {
        if error.kind() == ErrorKind::WaitTimeout {
            debug!(%error, "skipped: somebody else holds the lock");
        } else {
            warn!(%error, "not done");
        }
        None
    }
}

/// Takes the lock, runs the work under it, releases the lock.
pub async fn locked<O: Locked, F: Future<Output = O>>(
    manager: LockManager,
    key: Result<LockKey>,
    wait: Option<Duration>,
    lease: Option<Duration>,
    work: impl FnOnce(Fence) -> F,
) -> O {
    let key = match key {
        Ok(key) => key,
        Err(error) => return O::not_done(error),
    };
    let mut request = manager.lock(key);
    if let Some(wait) = wait {
        request = request.wait(wait);
    }
    if let Some(lease) = lease {
        request = request.lease(lease);
    }
    let guard = match request.await {
        Ok(guard) => guard,
        Err(error) => return O::not_done(error),
    };
    let output = match guard.run(work(guard.fence())).await {
        Ok(output) => output,
        Err(lost) => return O::not_done(lost.into()),
    };
    let key = guard.key().clone();
    if guard.release().await == Release::AlreadyLost {
        warn!(%key, "the function ended, but its lock had been lost before");
    }
    output
}
