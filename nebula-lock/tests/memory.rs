//! The memory backend against the contract, directly and behind `Arc<dyn …>`.

use std::sync::Arc;

use nebula_lock::testing::Fixture;
use nebula_lock::{DistributedLock, MemoryLock, Mode, conformance_suite};

#[derive(Debug)]
struct Memory(MemoryLock);

impl Fixture for Memory {
    type Lock = MemoryLock;
    const HANDS_OVER: &'static [Mode] = &[Mode::Fair];

    async fn start() -> Self {
        Self(MemoryLock::new())
    }

    fn lock(&self) -> MemoryLock {
        self.0.clone()
    }

    async fn stored(&self) -> usize {
        self.0.keys() + self.0.watched()
    }
}

#[derive(Debug)]
struct Erased(Memory);

impl Fixture for Erased {
    type Lock = Arc<dyn DistributedLock>;
    const HANDS_OVER: &'static [Mode] = &[Mode::Fair];

    async fn start() -> Self {
        Self(Memory::start().await)
    }

    fn lock(&self) -> Self::Lock {
        Arc::new(self.0.lock())
    }

    async fn stored(&self) -> usize {
        self.0.stored().await
    }
}

mod direct {
    use super::*;
    conformance_suite!(Memory);
}

mod erased {
    use super::*;
    conformance_suite!(Erased);
}
