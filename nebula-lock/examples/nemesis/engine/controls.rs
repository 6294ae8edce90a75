//! Locks that are broken on purpose, to see whether the checkers notice. Wrappers of the real backend.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nebula_lock::nebula_redis::{Connection, RedisConfig, redis};
use nebula_lock::{Attempt, Claim, DistributedLock, Error, ErrorKind, Holder, LockKey, Owner, Result, Watch};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::site::Address;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Broken {
    /// A release deletes the lock, whoever holds it.
    BlindDelete,
    /// Waiters that died stay in the queue.
    NoPrune,
    /// A renewal takes no "no" for an answer: what the server has given up is taken anew, and what gets no reply counts as
    /// renewed, so that the holder goes on after the loss.
    RenewAfterLoss,
    /// Whoever begins to wait does not look again once it listens.
    NoSecondLook,
}

impl Broken {
    pub(crate) async fn wrap(
        self,
        inner: Arc<dyn DistributedLock>,
        address: &Address,
    ) -> Result<Arc<dyn DistributedLock>> {
        Ok(match (self, address) {
            (Self::BlindDelete, _) => Arc::new(BlindDelete(inner)),
            (Self::RenewAfterLoss, _) => Arc::new(RenewAfterLoss(inner)),
            (Self::NoSecondLook, _) => Arc::new(NoSecondLook { inner, told: Mutex::default() }),
            (Self::NoPrune, Address::Single(url)) => {
                let connection = RedisConfig::new(url).connect().await.map_err(Error::from)?;
                Arc::new(NoPrune { inner, connection })
            }
            (Self::NoPrune, _) => return Err(Error::new(ErrorKind::Unsupported, "only on one server")),
        })
    }
}

#[derive(Debug)]
struct BlindDelete(Arc<dyn DistributedLock>);

#[async_trait]
impl DistributedLock for BlindDelete {
    async fn try_acquire(&self, claim: &Claim, lease: Duration) -> Result<Attempt> {
        self.0.try_acquire(claim, lease).await
    }

    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool> {
        self.0.renew(claim, lease).await
    }

    async fn release(&self, claim: &Claim) -> Result<bool> {
        match self.0.inspect(claim.key()).await? {
            Some(holder) => self.0.release(&holder.claim(claim.key().clone())).await,
            None => Ok(false),
        }
    }

    async fn watch(&self, claim: &Claim) -> Result<Watch> {
        self.0.watch(claim).await
    }

    async fn inspect(&self, key: &LockKey) -> Result<Option<Holder>> {
        self.0.inspect(key).await
    }

    async fn ping(&self) -> Result<()> {
        self.0.ping().await
    }
}

/// Once in a queue, always in the queue.
#[derive(Debug)]
struct NoPrune {
    inner: Arc<dyn DistributedLock>,
    connection: Connection,
}

impl NoPrune {
    /// Lets everybody who waits count as alive for ever.
    async fn keep_alive(&self) -> redis::RedisResult<()> {
        const SCRIPT: &str = "for _, alive in ipairs(redis.call('KEYS', 'nebula:lock:1:alive:*')) do
            for _, waiter in ipairs(redis.call('ZRANGE', alive, 0, -1)) do redis.call('ZADD', alive, 9e15, waiter) end
            redis.call('PERSIST', alive)
        end
        for _, queue in ipairs(redis.call('KEYS', 'nebula:lock:1:queue:*')) do redis.call('PERSIST', queue) end";
        redis::cmd("EVAL").arg(SCRIPT).arg(0).exec_async(&mut self.connection.clone()).await
    }
}

#[async_trait]
impl DistributedLock for NoPrune {
    async fn try_acquire(&self, claim: &Claim, lease: Duration) -> Result<Attempt> {
        let attempt = self.inner.try_acquire(claim, lease).await;
        let _ = self.keep_alive().await;
        attempt
    }

    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool> {
        self.inner.renew(claim, lease).await
    }

    async fn release(&self, claim: &Claim) -> Result<bool> {
        self.inner.release(claim).await
    }

    async fn watch(&self, claim: &Claim) -> Result<Watch> {
        self.inner.watch(claim).await
    }

    async fn inspect(&self, key: &LockKey) -> Result<Option<Holder>> {
        self.inner.inspect(key).await
    }

    async fn ping(&self) -> Result<()> {
        self.inner.ping().await
    }
}

#[derive(Debug)]
struct RenewAfterLoss(Arc<dyn DistributedLock>);

#[async_trait]
impl DistributedLock for RenewAfterLoss {
    async fn try_acquire(&self, claim: &Claim, lease: Duration) -> Result<Attempt> {
        self.0.try_acquire(claim, lease).await
    }

    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool> {
        match self.0.renew(claim, lease).await {
            Ok(false) => Ok(matches!(self.0.try_acquire(claim, lease).await, Ok(Attempt::Acquired(_)))),
            Ok(true) | Err(_) => Ok(true),
        }
    }

    async fn release(&self, claim: &Claim) -> Result<bool> {
        self.0.release(claim).await
    }

    async fn watch(&self, claim: &Claim) -> Result<Watch> {
        self.0.watch(claim).await
    }

    async fn inspect(&self, key: &LockKey) -> Result<Option<Holder>> {
        self.0.inspect(key).await
    }

    async fn ping(&self) -> Result<()> {
        self.0.ping().await
    }
}

/// The first attempt after a watch was opened is not made; the caller is told what it was told before.
#[derive(Debug)]
struct NoSecondLook {
    inner: Arc<dyn DistributedLock>,
    /// By those who wait; whether they have just begun to listen.
    told: Mutex<HashMap<Owner, (Attempt, bool)>>,
}

#[async_trait]
impl DistributedLock for NoSecondLook {
    async fn try_acquire(&self, claim: &Claim, lease: Duration) -> Result<Attempt> {
        if let Some((attempt, true)) = self.told.lock().remove(claim.owner()) {
            return Ok(attempt);
        }
        let attempt = self.inner.try_acquire(claim, lease).await?;
        if matches!(attempt, Attempt::Busy(_)) {
            self.told.lock().insert(*claim.owner(), (attempt.clone(), false));
        }
        Ok(attempt)
    }

    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool> {
        self.inner.renew(claim, lease).await
    }

    async fn release(&self, claim: &Claim) -> Result<bool> {
        self.inner.release(claim).await
    }

    async fn watch(&self, claim: &Claim) -> Result<Watch> {
        // The network may take its time.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let watch = self.inner.watch(claim).await;
        if let Some((_, listens)) = self.told.lock().get_mut(claim.owner()) {
            *listens = true;
        }
        watch
    }

    async fn inspect(&self, key: &LockKey) -> Result<Option<Holder>> {
        self.inner.inspect(key).await
    }

    async fn ping(&self) -> Result<()> {
        self.inner.ping().await
    }
}
