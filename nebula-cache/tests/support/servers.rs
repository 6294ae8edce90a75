//! Backends on Redis, whichever way its servers stand, for the conformance suites.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use futures_util::future::join_all;
use nebula_cache::nebula_redis::{Connection, RedisConfig, Subscriber};
use nebula_cache::rate_limit::{MicroClock, RedisRates};
use nebula_cache::testing::Fixture;
use nebula_cache::testing::rate_limit::RateFixture;
use nebula_cache::{BreakerConfig, Cache, CacheManager, RedisShared};
use nebula_test_support::{redis_url, unique};
use parking_lot::Mutex;

use super::counting::Counting;
use super::process::PATIENCE;

/// The servers to test on.
pub(crate) trait Servers: fmt::Debug + Send + Sync + 'static {
    fn config() -> impl Future<Output = RedisConfig> + Send;
}

async fn connect<S: Servers>() -> (Connection, Subscriber) {
    let config = S::config().await;
    (config.connect().await.expect("the test servers run"), config.subscriber().expect("inside a runtime"))
}

/// The shared level.
#[derive(Debug)]
pub(crate) struct Shared<S>(RedisShared<Connection>, PhantomData<S>);

impl<S: Servers> Fixture for Shared<S> {
    type Shared = RedisShared<Connection>;

    async fn start() -> Self {
        let (connection, subscriber) = connect::<S>().await;
        Self(RedisShared::new(connection, subscriber).with_namespace(unique("cache")), PhantomData)
    }

    fn shared(&self) -> Self::Shared {
        self.0.clone()
    }
}

/// The store of rate limits.
#[derive(Debug)]
pub(crate) struct Rates<S>(RedisRates<Connection>, PhantomData<S>);

impl<S: Servers> RateFixture for Rates<S> {
    type Store = RedisRates<Connection>;

    async fn start() -> Self {
        let (connection, subscriber) = connect::<S>().await;
        Self(RedisRates::new(connection, subscriber).with_namespace(unique("rates")), PhantomData)
    }

    fn store(&self) -> Self::Store {
        self.0.clone()
    }

    fn with_clock(&self, clock: MicroClock) -> Self::Store {
        self.0.clone().with_client_clock(clock)
    }
}

/// A node on the shared server, as patient as a busy machine needs it.
pub(crate) async fn node(namespace: &str) -> CacheManager {
    let config = RedisConfig::new(redis_url().await).with_response_timeout(PATIENCE);
    let (connection, subscriber) = (config.connect().await.unwrap(), config.subscriber().unwrap());
    CacheManager::builder()
        .with_shared(RedisShared::new(connection, subscriber).with_namespace(namespace.to_owned()))
        .with_breaker(BreakerConfig::default().with_slow_after(PATIENCE))
        // It would bypass its local level if it could not see the log for a moment.
        .with_staleness_bound(PATIENCE)
        .start()
        .await
        .unwrap()
}

/// Reads many keys on a node that knows none of them, with one call of the loader for what is missing; returns the commands that
/// asked for values.
pub(crate) async fn reads_of_many(config: RedisConfig, stored: u64, missing: u64) -> Vec<Vec<Vec<u8>>> {
    let config = config.with_response_timeout(PATIENCE);
    let (connection, subscriber) = (config.connect().await.unwrap(), config.subscriber().unwrap());
    let (writer, counting) = (connection.clone(), Counting::over(connection));
    let namespace = unique("many");
    let writer = RedisShared::new(writer, subscriber.clone()).with_namespace(namespace.clone());
    let reader = RedisShared::new(counting.clone(), subscriber).with_namespace(namespace);
    let build = |manager: &CacheManager| -> Cache<u64, u64> {
        manager.cache("test").with_shared_timeout(PATIENCE).with_load_timeout(PATIENCE).build().unwrap()
    };
    let (writer, reader) = (CacheManager::new(writer).await.unwrap(), CacheManager::new(reader).await.unwrap());
    let (written, read) = (build(&writer), build(&reader));
    join_all((0..stored).map(async |key| written.put(key, key * 10).await.unwrap())).await;
    // The first question finds out whether the keys of a command have to share a slot.
    read.get_many(&[u64::MAX, u64::MAX - 1, u64::MAX - 2]).await.unwrap();
    counting.taken();

    let keys: Vec<u64> = (0..stored + missing).collect();
    let asked_for = Arc::new(Mutex::new(Vec::new()));
    let load = |keys: Vec<u64>| {
        asked_for.lock().push(keys.clone());
        async move { Ok::<_, Infallible>(keys.into_iter().map(|key| (key, Some(key * 10))).collect()) }
    };
    let found = read.get_many_or_load(&keys, load).await.unwrap();
    assert!(keys.iter().zip(found).all(|(key, found)| found.is_some_and(|found| *found == key * 10)));
    assert_eq!(*asked_for.lock(), [(stored..stored + missing).collect::<Vec<_>>()], "one call, for what is missing");
    let reads = |words: &Vec<Vec<u8>>| matches!(&words[0][..], b"GET" | b"GETEX" | b"MGET");
    counting.taken().into_iter().filter(reads).collect()
}
