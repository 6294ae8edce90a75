//! A backend that tells attempts to which somebody was called from those that only the clock was a reason for.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream;
use nebula_lock::{Attempt, Claim, DistributedLock, Hint, Holder, LockKey, Result, Watch};

/// Counts attempts that nothing but the clock was a reason for: not the first one, nor the look after a watch was opened, nor a
/// hint.
#[derive(Clone, Debug)]
pub(crate) struct Watchful<L> {
    inner: L,
    pub(crate) polls: Arc<AtomicI64>,
    pub(crate) attempts: Arc<AtomicUsize>,
}

impl<L> Watchful<L> {
    pub(crate) fn new(inner: L) -> Self {
        Self { inner, polls: Arc::default(), attempts: Arc::default() }
    }

    fn explained(&self, watch: Watch) -> Watch {
        let state = (watch, Arc::clone(&self.polls));
        Watch::new(stream::unfold(state, async |(mut watch, polls)| {
            let hint = watch.changed().await;
            if hint == Hint::Look {
                polls.fetch_sub(1, Ordering::SeqCst);
            }
            Some((hint, (watch, polls)))
        }))
    }
}

#[async_trait]
impl<L: DistributedLock> DistributedLock for Watchful<L> {
    async fn try_acquire(&self, claim: &Claim, lease: Duration) -> Result<Attempt> {
        let attempt = self.inner.try_acquire(claim, lease).await;
        self.polls.fetch_add(1, Ordering::SeqCst);
        self.attempts.fetch_add(1, Ordering::SeqCst);
        attempt
    }

    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool> {
        self.inner.renew(claim, lease).await
    }

    async fn release(&self, claim: &Claim) -> Result<bool> {
        self.inner.release(claim).await
    }

    async fn watch(&self, claim: &Claim) -> Result<Watch> {
        let watch = self.explained(self.inner.watch(claim).await?);
        self.polls.fetch_sub(1, Ordering::SeqCst);
        Ok(watch)
    }

    fn join_watch(&self, claim: &Claim) -> Option<Watch> {
        Some(self.explained(self.inner.join_watch(claim)?))
    }

    async fn inspect(&self, key: &LockKey) -> Result<Option<Holder>> {
        self.inner.inspect(key).await
    }

    async fn ping(&self) -> Result<()> {
        self.inner.ping().await
    }
}
