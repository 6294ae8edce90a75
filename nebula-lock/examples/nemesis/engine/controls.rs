//! Locks that are broken on purpose, to see whether the checkers notice. Wrappers of the real backend.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nebula_lock::nebula_redis::{Connection, RedisConfig, redis};
use nebula_lock::{Attempt, Claim, DistributedLock, Error, Holder, LockKey, Result, Watch};
use serde::{Deserialize, Serialize};

use super::site::Address;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Broken {
    /// A release deletes the lock, whoever holds it.
    BlindDelete,
    /// Waiters that died stay in the queue.
    NoPrune,
}

impl Broken {
    pub(crate) async fn wrap(
        self,
        inner: Arc<dyn DistributedLock>,
        address: &Address,
    ) -> Result<Arc<dyn DistributedLock>> {
        Ok(match (self, address) {
            (Self::BlindDelete, _) => Arc::new(BlindDelete(inner)),
            (Self::NoPrune, Address::Single(url)) => {
                let connection = RedisConfig::new(url).connect().await.map_err(Error::from)?;
                Arc::new(NoPrune { inner, connection })
            }
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
