//! The store and channel in this process against the contract.

use nebula_cache::testing::Fixture;
use nebula_cache::{BloomStore, InvalidationChannel, MemoryShared, SharedStore, conformance_suite};

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
conformance_suite!(bloom: Memory);

mod behind_an_arc {
    use std::sync::Arc;

    use super::*;

    #[derive(Debug)]
    struct Shared(Memory);

    /// All that a backend can be, so that it can be chosen at run time.
    trait Backend: SharedStore + InvalidationChannel + BloomStore {}

    impl<B: SharedStore + InvalidationChannel + BloomStore> Backend for B {}

    impl Fixture for Shared {
        type Shared = Arc<dyn Backend>;

        async fn start() -> Self {
            Self(Memory::start().await)
        }

        fn shared(&self) -> Self::Shared {
            Arc::new(self.0.shared())
        }
    }

    conformance_suite!(Shared);
    conformance_suite!(bloom: Shared);
}

mod rates {
    use std::sync::Arc;

    use nebula_cache::rate_limit::{MemoryRates, MicroClock};
    use nebula_cache::rate_limit_conformance_suite;
    use nebula_cache::testing::rate_limit::RateFixture;

    #[derive(Debug)]
    struct Rates(MemoryRates);

    impl RateFixture for Rates {
        type Store = MemoryRates;

        async fn start() -> Self {
            Self(MemoryRates::new())
        }

        fn store(&self) -> MemoryRates {
            self.0.clone()
        }

        fn with_clock(&self, clock: MicroClock) -> MemoryRates {
            self.0.clone().with_clock(clock)
        }
    }

    rate_limit_conformance_suite!(Rates);

    mod behind_an_arc {
        use super::*;

        #[derive(Debug)]
        struct Shared(Rates);

        impl RateFixture for Shared {
            type Store = Arc<dyn nebula_cache::rate_limit::RateLimitStore>;

            async fn start() -> Self {
                Self(Rates::start().await)
            }

            fn store(&self) -> Self::Store {
                Arc::new(self.0.store())
            }

            fn with_clock(&self, clock: MicroClock) -> Self::Store {
                Arc::new(self.0.with_clock(clock))
            }
        }

        rate_limit_conformance_suite!(Shared);
    }
}
