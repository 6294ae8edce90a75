//! A backend whose commands are measured.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::error::Result;
use crate::key::LockKey;
use crate::lock::{Attempt, Claim, DistributedLock, Holder};
use crate::telemetry::{self, Answer};
use crate::watch::Watch;

/// Measures every command of a backend, as `nebula_lock_command_seconds` by backend, command and outcome: how slow it is,
/// and how often it fails, apart from how long callers wait for each other.
///
/// ```
/// use nebula_lock::{LockManager, MemoryLock, Observed};
///
/// let locks = LockManager::new(Observed::new(MemoryLock::new(), "memory"));
/// ```
#[derive(Clone, Debug)]
pub struct Observed<L> {
    inner: L,
    backend: &'static str,
}

impl<L> Observed<L> {
    /// Measures `inner` under the name `backend`.
    pub const fn new(inner: L, backend: &'static str) -> Self {
        Self { inner, backend }
    }
}

async fn measure<T: Send>(
    backend: &'static str,
    command: &'static str,
    reply: impl Future<Output = Result<T>> + Send,
    answer: impl FnOnce(&T) -> Answer + Send,
) -> Result<T> {
    let start = Instant::now();
    let reply = reply.await;
    let answer = match &reply {
        Ok(value) => answer(value),
        Err(error) => {
            tracing::debug!(backend, command, %error, "a command failed");
            Answer::Failed
        }
    };
    telemetry::command(backend, command, answer, start.elapsed());
    reply
}

const fn done<T>(_: &T) -> Answer {
    Answer::Done
}

const fn done_if(done: &bool) -> Answer {
    if *done { Answer::Done } else { Answer::Refused }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<L: DistributedLock> DistributedLock for Observed<L> {
    async fn try_acquire(&self, claim: &Claim, lease: Duration) -> Result<Attempt> {
        let acquired = |attempt: &Attempt| done_if(&matches!(attempt, Attempt::Acquired(_)));
        measure(self.backend, "try_acquire", self.inner.try_acquire(claim, lease), acquired).await
    }

    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool> {
        measure(self.backend, "renew", self.inner.renew(claim, lease), done_if).await
    }

    async fn release(&self, claim: &Claim) -> Result<bool> {
        measure(self.backend, "release", self.inner.release(claim), done_if).await
    }

    async fn watch(&self, claim: &Claim) -> Result<Watch> {
        measure(self.backend, "watch", self.inner.watch(claim), done).await
    }

    fn join_watch(&self, claim: &Claim) -> Option<Watch> {
        self.inner.join_watch(claim)
    }

    async fn inspect(&self, key: &LockKey) -> Result<Option<Holder>> {
        measure(self.backend, "inspect", self.inner.inspect(key), done).await
    }

    async fn ping(&self) -> Result<()> {
        measure(self.backend, "ping", self.inner.ping(), done).await
    }
}
