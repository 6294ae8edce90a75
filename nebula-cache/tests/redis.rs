//! The Redis backends against their contracts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use nebula_cache::nebula_redis::RedisConfig;
use nebula_cache::{conformance_suite, rate_limit_conformance_suite};
use nebula_test_support::redis_url;
use support::servers::{Rates, Servers, Shared};

#[derive(Debug)]
struct Single;

impl Servers for Single {
    async fn config() -> RedisConfig {
        RedisConfig::new(redis_url().await)
    }
}

conformance_suite!(Shared<Single>);
conformance_suite!(bloom: Shared<Single>);
rate_limit_conformance_suite!(Rates<Single>);
