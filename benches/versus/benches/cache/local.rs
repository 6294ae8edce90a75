//! Ten thousand keys in random order, all of them in memory.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use nebula_cache::{Cache, CacheManager};
use nebula_test_support::{Unit, Versus};

const KEYS: usize = 10_000;

/// Twice as many places as keys, so that none of the stores evicts anything.
const CAPACITY: usize = 2 * KEYS;

pub(crate) async fn compare(rounds: u32, times: u64) {
    let keys: Vec<String> = (0..KEYS).map(|number| format!("train:{number:06}")).collect();
    let ours: Cache<String, String> = CacheManager::local()
        .local_cache("trains")
        .with_local_capacity(CAPACITY as u64)
        .with_ttl(Duration::from_secs(3600))
        .build()
        .unwrap();
    // With the hash function that ours gives it.
    let bare = quick_cache::sync::Cache::<String, Arc<String>, _, _, _>::with(
        CAPACITY,
        CAPACITY as u64,
        quick_cache::UnitWeighter,
        foldhash::fast::RandomState::default(),
        quick_cache::sync::DefaultLifecycle::default(),
    );
    let moka: moka::future::Cache<String, Arc<String>> =
        moka::future::Cache::builder().max_capacity(CAPACITY as u64).time_to_live(Duration::from_secs(3600)).build();
    let cached = cached::ShardedLruTtlCache::<String, Arc<String>>::builder()
        .max_size(CAPACITY)
        .ttl(Duration::from_secs(3600))
        .build()
        .unwrap();
    let foyer: foyer::Cache<String, Arc<String>> = foyer::CacheBuilder::new(CAPACITY).build();
    for key in &keys {
        ours.put(key.clone(), key.clone()).await.unwrap();
        bare.insert(key.clone(), Arc::new(key.clone()));
        moka.insert(key.clone(), Arc::new(key.clone())).await;
        cached.set(key.clone(), Arc::new(key.clone()));
        foyer.insert(key.clone(), Arc::new(key.clone()));
    }
    // What shared a generation with a later put was thrown out by it.
    for key in &keys {
        let value = key.clone();
        let load = async move { Ok::<_, std::convert::Infallible>(Some(value)) };
        ours.get_or_load(key, load).await.unwrap().unwrap();
    }
    let order = shuffled(usize::try_from(times).unwrap());
    let hit = async || {
        let all = async {
            for place in &order {
                black_box(ours.get(&keys[*place]).await.unwrap().unwrap());
            }
        };
        Unit::Nanos.time(times, all).await
    };
    let mut versus = Versus::new("cache local hit 10k random").unit(Unit::Nanos);
    for _ in 0..rounds {
        versus
            .round("quick_cache bare", hit, async || each(&order, |place| bare.get(&keys[place]).unwrap()).await)
            .await;
        let moka = async || {
            let all = async {
                for place in &order {
                    black_box(moka.get(&keys[*place]).await.unwrap());
                }
            };
            Unit::Nanos.time(times, all).await
        };
        versus.round("moka future", hit, moka).await;
        versus.round("cached", hit, async || each(&order, |place| cached.get(&keys[place]).unwrap()).await).await;
        versus.round("foyer", hit, async || each(&order, |place| foyer.get(&keys[place]).unwrap()).await).await;
    }
    versus.print();
}

/// Nanoseconds of one read of a store that knows no futures.
async fn each<T>(order: &[usize], read: impl Fn(usize) -> T + Send + Sync) -> f64 {
    let all = async {
        for place in order {
            black_box(read(*place));
        }
    };
    Unit::Nanos.time(order.len() as u64, all).await
}

/// Places in an order that no processor foresees.
fn shuffled(length: usize) -> Vec<usize> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % KEYS as u64).unwrap()
    };
    std::iter::repeat_with(next).take(length).collect()
}
