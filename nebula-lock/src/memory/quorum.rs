//! A backend in memory as a node of a quorum, for tests that need no servers.

use async_trait::async_trait;

use super::MemoryLock;
use crate::error::Result;
use crate::fence::Fence;
use crate::lock::Claim;
use crate::redlock::QuorumNode;

#[async_trait]
impl QuorumNode for MemoryLock {
    async fn settle(&self, claim: &Claim, fence: Fence) -> Result<bool> {
        let mut table = self.table.lock();
        table.sweep(tokio::time::Instant::now());
        table.last_fence = table.last_fence.max(fence.get());
        Ok(table.slots.get_mut(claim.key()).is_some_and(|slot| slot.settle(claim.owner(), fence)))
    }
}
