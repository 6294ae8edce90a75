//! A backend in memory as a node of a quorum, for tests that need no servers.

use std::time::Duration;

use async_trait::async_trait;

use super::MemoryLock;
use crate::error::Result;
use crate::fence::Fence;
use crate::lock::{Attempt, Claim};
use crate::redlock::QuorumNode;

#[async_trait]
impl QuorumNode for MemoryLock {
    async fn try_acquire_at(&self, claim: &Claim, lease: Duration, fence: Fence) -> Result<Attempt> {
        Ok(self.attempt(claim, lease, Some(fence)))
    }

    async fn settle(&self, claim: &Claim, fence: Fence) -> Result<bool> {
        let mut table = self.table.lock();
        table.sweep(tokio::time::Instant::now());
        table.last_fence = table.last_fence.max(fence.get());
        Ok(table.slots.get_mut(claim.key()).is_some_and(|slot| slot.settle(claim.owner(), fence)))
    }

    async fn try_settle(&self, claim: &Claim, fence: Fence) -> Result<Option<Fence>> {
        let mut table = self.table.lock();
        table.sweep(tokio::time::Instant::now());
        let held = table.slots.get(claim.key()).and_then(|slot| slot.fence_of(claim.owner()));
        if held.is_none_or(|held| held == fence) {
            return Ok(held);
        }
        let given = table.next_fence(Some(fence));
        let settled = table.slots.get_mut(claim.key()).is_some_and(|slot| slot.settle(claim.owner(), given));
        Ok(settled.then_some(given))
    }
}
