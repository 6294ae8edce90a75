//! The Redis backends against their contracts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use nebula_cache::nebula_redis::RedisConfig;
use nebula_cache::{conformance_suite, rate_limit_conformance_suite};
use nebula_test_support::{RedisServer, redis_sentinels, redis_url};
use support::servers::{Rates, Servers, Shared, reads_of_many};

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

#[derive(Debug)]
struct Sentinel;

impl Servers for Sentinel {
    async fn config() -> RedisConfig {
        let (name, addresses) = redis_sentinels().await;
        RedisConfig::sentinel(name, addresses)
    }
}

mod behind_sentinel {
    use super::{Rates, Sentinel, Shared, conformance_suite, rate_limit_conformance_suite};

    conformance_suite!(Shared<Sentinel>);
    conformance_suite!(bloom: Shared<Sentinel>);
    rate_limit_conformance_suite!(Rates<Sentinel>);
}

#[tokio::test]
async fn many_keys_are_one_command() {
    let server = RedisServer::start().await;
    let sent = reads_of_many(RedisConfig::new(server.url()), 50, 10).await;
    assert_eq!(sent.len(), 1, "one command: {sent:?}");
    assert_eq!((&sent[0][0][..], sent[0].len()), (&b"MGET"[..], 61));
    // As the server counts them: the first question, and this one.
    let mut connection = RedisConfig::new(server.url()).connect().await.unwrap();
    let info: String = redis::cmd("INFO").arg("commandstats").query_async(&mut connection).await.unwrap();
    assert!(info.contains("cmdstat_mget:calls=2,"), "{info}");
    // Loads look again under the lease of each key, within scripts.
    assert!(!info.contains("cmdstat_getex:"), "{info}");
}
