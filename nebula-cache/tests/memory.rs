//! The store and channel in this process against the contract.

use nebula_cache::testing::Fixture;
use nebula_cache::{MemoryShared, conformance_suite};

#[derive(Debug)]
struct Memory(MemoryShared);

impl Fixture for Memory {
    type Shared = MemoryShared;

    async fn start() -> Self {
        Self(MemoryShared::new())
    }

    fn shared(&self) -> MemoryShared {
        self.0.clone()
    }
}

conformance_suite!(Memory);

mod behind_an_arc {
    use std::sync::Arc;

    use super::*;

    #[derive(Debug)]
    struct Shared(Memory);

    impl Fixture for Shared {
        type Shared = Arc<MemoryShared>;

        async fn start() -> Self {
            Self(Memory::start().await)
        }

        fn shared(&self) -> Self::Shared {
            Arc::new(self.0.shared())
        }
    }

    conformance_suite!(Shared);
}
