//! The handle of a held lock.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::fence::Fence;
use crate::key::LockKey;
use crate::lock::{Claim, Mode};
use crate::lost::{LossReason, Lost};
use crate::post::Post;
use crate::reentrant::OwnedEntry;
use crate::telemetry;
use crate::validity::Validity;

/// A lock that is held, as far as the local clock can tell.
///
/// Dropping the guard releases the lock in the background; [`release`](Self::release) also tells how that went.
#[must_use = "the lock is released as soon as the guard is dropped"]
pub struct LockGuard {
    hand: Arc<Hand>,
}

/// What all guards of one hold share. Its end is the end of the hold.
pub(crate) struct Hand {
    claim: Claim,
    fence: Fence,
    renewed: bool,
    validity: Arc<Validity>,
    post: Arc<Post>,
    /// Where the owner finds this hold again.
    entry: OnceLock<OwnedEntry>,
}

/// How a release went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Release {
    /// The lock was held until now and is free.
    Released,
    /// The lock had been lost before: the protected work may have overlapped with somebody else's.
    AlreadyLost,
    /// Another guard of the same owner still holds the lock.
    StillHeld,
    /// The backend did not answer. Clean-up goes on in the background, at most until the lease ends.
    Unknown,
}

impl Release {
    /// The value of the `outcome` label of metrics.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::AlreadyLost => "already_lost",
            Self::StillHeld => "still_held",
            Self::Unknown => "unknown",
        }
    }
}

impl LockGuard {
    pub(crate) fn new(claim: Claim, fence: Fence, renewed: bool, validity: Arc<Validity>, post: Arc<Post>) -> Self {
        Self { hand: Arc::new(Hand { claim, fence, renewed, validity, post, entry: OnceLock::new() }) }
    }

    pub(crate) const fn of(hand: Arc<Hand>) -> Self {
        Self { hand }
    }

    /// Lets the owner find this hold again.
    pub(crate) fn register(&self, entry: OwnedEntry) -> Weak<Hand> {
        // A hold is registered once, by the acquisition that made it.
        drop(self.hand.entry.set(entry));
        Arc::downgrade(&self.hand)
    }

    /// The key of the lock, with the manager's prefix.
    #[must_use]
    pub fn key(&self) -> &LockKey {
        self.hand.claim.key()
    }

    /// What the lock is held for.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.hand.claim.mode()
    }

    /// The fence token of this hold; give it to the resource that the lock protects.
    #[must_use]
    pub fn fence(&self) -> Fence {
        self.hand.fence
    }

    /// Whether the lock must be taken as lost. `true` stays `true`.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.hand.validity.loss().is_some()
    }

    pub(crate) fn loss(&self) -> Option<Lost> {
        self.hand.validity.loss().map(|reason| Lost::new(self.key().clone(), reason))
    }

    /// How long the hold is certain without a further renewal; zero once lost.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        if self.is_lost() {
            Duration::ZERO
        } else {
            self.hand.validity.until().saturating_duration_since(Instant::now())
        }
    }

    /// Another guard of the same hold, with the same fence. The lock is released when the last one is.
    pub fn reenter(&self) -> Self {
        Self::of(Arc::clone(&self.hand))
    }

    /// Resolves when the lock is lost: at the latest when its lease ends by the local clock, which is before it ends on
    /// the backend, even if no reply ever arrives. It never resolves once the lock was released.
    ///
    /// The future is independent of the guard, so that it can be watched from elsewhere: on another runtime as well, also when
    /// the one on which the lock was taken has ended. Outside of any, it hears of a loss from the manager alone.
    ///
    /// # Panics
    ///
    /// When it is polled on a runtime without timers.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub fn lost(&self) -> impl Future<Output = Lost> + Send + use<> {
        let validity = Arc::clone(&self.hand.validity);
        let key = self.key().clone();
        async move {
            let reason = validity.ended().await;
            Lost::new(key, reason)
        }
    }

    /// Runs `work` and drops it if the lock is lost before it ends.
    ///
    /// ```
    /// # use nebula_lock::{LockManager, MemoryLock};
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # let manager = LockManager::new(MemoryLock::new());
    /// let guard = manager.lock("stock:42").await?;
    /// let left = guard.run(async { 41 }).await?;
    /// # assert_eq!(left, 41);
    /// guard.release().await;
    /// # Ok::<_, nebula_lock::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`Lost`] if the lock was lost before `work` had ended; what `work` did until then stays done.
    ///
    /// # Cancel safety
    ///
    /// As safe as `work` is.
    pub async fn run<F: Future>(&self, work: F) -> Result<F::Output, Lost> {
        let work = pin!(work);
        let output = tokio::select! {
            biased;
            lost = self.lost() => return Err(lost),
            output = work => output,
        };
        // Work that never yielded cannot have been stopped; it ran unprotected all the same.
        self.hand.validity.loss().map_or(Ok(output), |reason| Err(Lost::new(self.key().clone(), reason)))
    }

    /// Turns the hold of a writer into that of a reader, without letting another writer in between. The fence stays.
    ///
    /// There is no way back: two readers that both want to become the writer would wait for each other for ever.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] unless the lock is held for writing by this guard alone, [`ErrorKind::Lost`] if it was
    /// lost, and what the backend reports. The guard is gone in every case of error.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the lock is released.
    pub async fn downgrade(self) -> Result<Self, Error> {
        if let Some(reason) = self.hand.validity.loss() {
            return Err(Lost::new(self.key().clone(), reason).into());
        }
        if self.mode() != Mode::Write {
            let error = Error::new(ErrorKind::Unsupported, "only the lock of a writer can be downgraded");
            return Err(error.with_key(self.key()));
        }
        let lost = Lost::new(self.key().clone(), LossReason::Gone);
        let hand = Arc::try_unwrap(self.hand).map_err(|hand| {
            let error = Error::new(ErrorKind::Unsupported, "other guards of the same hold still rely on it");
            error.with_key(hand.claim.key())
        })?;
        match hand.post.downgrade() {
            Some(outcome) => outcome.await.unwrap_or_else(|_| Err(lost.into())),
            None => Err(lost.into()),
        }
    }

    /// Stops the renewal, releases the lock and tells how that went.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: from the first poll on, the lock is released in the background if the future is dropped. So it is
    /// when the future is dropped before that, since the guard is.
    pub async fn release(self) -> Release {
        let validity = Arc::clone(&self.hand.validity);
        let Some(hand) = Arc::into_inner(self.hand) else {
            let outcome = if validity.loss().is_some() { Release::AlreadyLost } else { Release::StillHeld };
            telemetry::release(outcome);
            return outcome;
        };
        let lost = validity.loss().is_some();
        validity.give_up();
        let outcome = hand.post.release(lost).await;
        // A keeper leaves when the lock is lost. One that left for no such reason went down with its runtime.
        let unheard = || if validity.loss().is_some() { Release::AlreadyLost } else { Release::Unknown };
        outcome.unwrap_or_else(unheard)
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        // A hold that was downgraded goes on under another guard.
        if self.post.let_go() {
            self.validity.give_up();
        }
    }
}

impl Hand {
    pub(crate) fn is_lost(&self) -> bool {
        self.validity.loss().is_some()
    }

    pub(crate) const fn mode(&self) -> Mode {
        self.claim.mode()
    }

    /// Whether the hold lasts for another `lease`; `None`: until it is released.
    pub(crate) fn lasts(&self, lease: Option<Duration>) -> bool {
        let rest = self.validity.until().saturating_duration_since(Instant::now());
        self.renewed || lease.is_some_and(|lease| lease <= rest)
    }
}

impl fmt::Debug for Hand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hand").field("claim", &self.claim).finish_non_exhaustive()
    }
}

impl fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockGuard")
            .field("key", &self.key().as_str())
            .field("mode", &self.mode())
            .field("fence", &self.fence().get())
            .field("lost", &self.is_lost())
            .finish_non_exhaustive()
    }
}
