//! The contract of session stores, in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test is meant to panic")]

use nebula_auth::{MemoryRefreshStore, testing::Fixture};

struct Memory(MemoryRefreshStore);

impl Fixture for Memory {
    type Store = MemoryRefreshStore;

    async fn start() -> Self {
        Self(MemoryRefreshStore::new())
    }

    fn store(&self) -> MemoryRefreshStore {
        self.0.clone()
    }

    async fn peer(&self) -> MemoryRefreshStore {
        self.0.clone()
    }
}

nebula_auth::conformance_suite!(Memory);
