//! A thousand values on Redis, read without a local level.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use nebula_cache::{Cache, CacheManager, RedisShared};
use nebula_redis::RedisConfig;
use nebula_test_support::Versus;
use nebula_versus::throughput;
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use serde::{Deserialize, Serialize};

const KEYS: u64 = 1000;
const TASKS: usize = 64;
const MANY: u64 = 50;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Train {
    number: String,
    from: String,
    to: String,
    departs: u64,
    seats: Vec<u32>,
}

impl Train {
    fn new(number: u64) -> Self {
        let (from, to) = ("Beijing South".to_owned(), "Shanghai Hongqiao".to_owned());
        Self { number: format!("G{number}"), from, to, departs: 1_700_000_000 + number, seats: (0..32).collect() }
    }
}

pub(crate) async fn compare(url: &str, rounds: u32, time: Duration) {
    let config = RedisConfig::new(url);
    let shared = RedisShared::new(config.connect().await.unwrap(), config.subscriber().unwrap());
    let manager = CacheManager::new(shared).await.unwrap();
    let ours: Cache<u64, Train> = manager.cache("trains").with_local_capacity(0).build().unwrap();
    let bare = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    for number in 0..KEYS {
        ours.put(number, Train::new(number)).await.unwrap();
        let bytes = postcard::to_stdvec(&Train::new(number)).unwrap();
        let _: () = bare.clone().set(format!("bare:{number}"), bytes).await.unwrap();
    }
    let mut one = Versus::new(&format!("cache shared hit t={TASKS}"));
    let mut many = Versus::new(&format!("cache get_many({MANY}) keys t=8"));
    for _ in 0..rounds {
        let hit = async || {
            throughput(TASKS, time, &(ours.clone(), counter()), async |(ours, next), _| {
                ours.get(&next.key()).await.unwrap().unwrap();
            })
            .await
        };
        let get = async || {
            throughput(TASKS, time, &(bare.clone(), counter()), async |(mut bare, next), _| {
                read(&mut bare, next.key()).await;
            })
            .await
        };
        one.round("bare GET and decode", hit, get).await;
        let at_once = async || {
            let side = (ours.clone(), counter());
            let calls = throughput(8, time, &side, async |(ours, next), _| {
                let first = next.key();
                let keys: Vec<u64> = (first..first + MANY).map(|key| key % KEYS).collect();
                assert!(ours.get_many(&keys).await.unwrap().iter().all(Option::is_some));
            });
            calls.await * MANY as f64
        };
        let all_together = async || {
            let side = (bare.clone(), counter());
            let calls = throughput(8, time, &side, async |(bare, next), _| {
                let first = next.key();
                let reads = (first..first + MANY).map(|key| {
                    let mut bare = bare.clone();
                    async move { read(&mut bare, key % KEYS).await }
                });
                futures_util::future::join_all(reads).await;
            });
            calls.await * MANY as f64
        };
        let in_turn = async || {
            let side = (bare.clone(), counter());
            let calls = throughput(8, time, &side, async |(mut bare, next), _| {
                let first = next.key();
                for key in first..first + MANY {
                    read(&mut bare, key % KEYS).await;
                }
            });
            calls.await * MANY as f64
        };
        many.round("50 GETs and decode", at_once, in_turn).await;
        many.round("50 GETs at the same time and decode", at_once, all_together).await;
        let mget = async || {
            let side = (bare.clone(), counter());
            let calls = throughput(8, time, &side, async |(mut bare, next), _| {
                let first = next.key();
                let names: Vec<String> = (first..first + MANY).map(|key| format!("bare:{}", key % KEYS)).collect();
                let all: Vec<Vec<u8>> = bare.mget(names).await.unwrap();
                for bytes in all {
                    black_box(postcard::from_bytes::<Train>(&bytes).unwrap());
                }
            });
            calls.await * MANY as f64
        };
        many.round("MGET and decode", at_once, mget).await;
    }
    one.print();
    many.print();
}

async fn read(bare: &mut MultiplexedConnection, key: u64) -> Train {
    let bytes: Vec<u8> = bare.get(format!("bare:{key}")).await.unwrap();
    postcard::from_bytes(&bytes).unwrap()
}

#[derive(Clone)]
struct Counter(Arc<std::sync::atomic::AtomicU64>);

fn counter() -> Counter {
    Counter(Arc::default())
}

impl Counter {
    fn key(&self) -> u64 {
        self.0.fetch_add(7, std::sync::atomic::Ordering::Relaxed) % KEYS
    }
}
