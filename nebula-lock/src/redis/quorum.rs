//! One server as a node of a quorum.

use std::time::Duration;

use async_trait::async_trait;
use redis::aio::ConnectionLike;

use super::scripts::{ACQUIRE_AT, SETTLE};
use super::{RedisLock, attempt, millis};
use crate::error::Result;
use crate::fence::Fence;
use crate::lock::{Attempt, Claim, DistributedLock, Mode};
use crate::redlock::QuorumNode;

#[async_trait]
impl<C> QuorumNode for RedisLock<C>
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    async fn try_acquire_at(&self, claim: &Claim, lease: Duration, fence: Fence) -> Result<Attempt> {
        if claim.mode() != Mode::Exclusive {
            return self.try_acquire(claim, lease).await;
        }
        let keys = self.keys(claim.key());
        let call = ACQUIRE_AT.key(&keys.lock).key(keys.fence());
        let call = call.arg(claim.owner().to_string()).arg(millis(lease)).arg(fence.get());
        attempt(call.invoke(&mut self.connection.clone()).await?)
    }

    async fn settle(&self, claim: &Claim, fence: Fence) -> Result<bool> {
        let keys = self.keys(claim.key());
        let call = SETTLE.key(&keys.lock).key(keys.fence()).key(keys.part("tokens"));
        Ok(call.arg(claim.owner().to_string()).arg(fence.get()).invoke(&mut self.connection.clone()).await?)
    }
}
