//! The memory backend keeps the contract, as itself and behind an `Arc<dyn …>`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::sync::Arc;

use nebula_delay_queue::{
    DelayQueueBackend, MemoryDelayQueue, conformance_suite,
    testing::{Fixture, WrongClock},
};

#[derive(Debug)]
struct Memory(MemoryDelayQueue);

impl Fixture for Memory {
    type Backend = MemoryDelayQueue;

    async fn start() -> Self {
        Self(MemoryDelayQueue::new())
    }

    fn backend(&self) -> MemoryDelayQueue {
        self.0.clone()
    }

    async fn with_wrong_clock(&self, clock: WrongClock) -> MemoryDelayQueue {
        MemoryDelayQueue::with_clock(clock)
    }
}

#[derive(Debug)]
struct Erased(Arc<dyn DelayQueueBackend>);

impl Fixture for Erased {
    type Backend = Arc<dyn DelayQueueBackend>;

    async fn start() -> Self {
        Self(Arc::new(MemoryDelayQueue::new()))
    }

    fn backend(&self) -> Arc<dyn DelayQueueBackend> {
        Arc::clone(&self.0)
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
