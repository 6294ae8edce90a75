//! One server as a node of a quorum.

use std::time::Duration;

use async_trait::async_trait;
use redis::aio::ConnectionLike;

use super::scripts::{ACQUIRE_AT, SETTLE, TRY_SETTLE};
use super::{RedisLock, attempt, millis, read_or_write};
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
        let keys = self.keys(claim.key());
        let call = match claim.mode() {
            Mode::Fair => return self.try_acquire(claim, lease).await,
            Mode::Read | Mode::Write => read_or_write(claim, lease, &keys),
            Mode::Exclusive => {
                ACQUIRE_AT.key(&keys.lock).key(keys.fence()).arg(claim.owner().to_string()).arg(millis(lease))
            }
        };
        attempt(call.arg(fence.get()).invoke(&mut self.connection.clone()).await?)
    }

    async fn try_settle(&self, claim: &Claim, fence: Fence) -> Result<Option<Fence>> {
        let keys = self.keys(claim.key());
        let call = TRY_SETTLE.key(&keys.lock).key(keys.fence()).key(keys.part("tokens"));
        let call = call.arg(claim.owner().to_string()).arg(fence.get());
        let token: Option<u64> = call.invoke(&mut self.connection.clone()).await?;
        Ok(token.map(Fence::new))
    }

    async fn settle(&self, claim: &Claim, fence: Fence) -> Result<bool> {
        let keys = self.keys(claim.key());
        let call = SETTLE.key(&keys.lock).key(keys.fence()).key(keys.part("tokens"));
        Ok(call.arg(claim.owner().to_string()).arg(fence.get()).invoke(&mut self.connection.clone()).await?)
    }
}
