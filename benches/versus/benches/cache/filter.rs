//! Bloom filters of ten million keys, one per cent: time of a question, and the part of absent keys that pass.

use std::hint::black_box;
use std::time::Duration;

use nebula_cache::{BloomFilter, MemoryShared};
use nebula_test_support::{Effort, Unit, Versus};
use nebula_versus::rounds;

const RATE: f64 = 0.01;

pub(crate) async fn compare(effort: Effort) {
    let keys: u64 = effort.pick(1_000_000, 10_000_000);
    let source = move || futures_util::stream::iter((0..keys).map(|key| Ok::<_, std::io::Error>(name(key))));
    // Eight tenths of its capacity is when it would be built again: so many keys are its intended load.
    let builder = || BloomFilter::builder("keys").with_capacity(keys * 5 / 4 + 10).with_false_positive_rate(RATE);
    let own = builder().with_source(source).local().unwrap();
    let shared = builder().with_source(source).shared(MemoryShared::new()).unwrap();
    for filter in [&own, &shared] {
        filter.ready(Duration::from_secs(600)).await.unwrap();
    }
    let bare = fastbloom::BloomFilter::with_false_pos(RATE).expected_items(usize::try_from(keys * 5 / 4 + 10).unwrap());
    let mut bare = bare;
    for key in 0..keys {
        bare.insert(&name(key)[..]);
    }
    let asked: u64 = effort.pick(500_000, 2_000_000);
    let absent: Vec<Vec<u8>> = (keys..keys + asked).map(name).collect();
    let mut versus = Versus::new("cache filter absent key").unit(Unit::Nanos);
    for _ in 0..rounds(effort) {
        let limit = async || each(&absent, |key| bare.contains(&key[..])).await;
        let here = async || each(&absent, |key| own.may_contain(key)).await;
        versus.round("fastbloom bare own", here, limit).await;
        let limit = async || each(&absent, |key| bare.contains(&key[..])).await;
        let replica = async || each(&absent, |key| shared.may_contain(key)).await;
        versus.round("fastbloom bare replica", replica, limit).await;
    }
    versus.print();
    for (kind, filter) in [("local", &own), ("replica", &shared)] {
        let passed = absent.iter().filter(|key| filter.may_contain(*key)).count();
        let expected = filter.snapshot().false_positive_rate;
        let measured = passed as f64 / asked as f64;
        println!(
            "filter {kind} keys={keys} false_positives={measured:.6} expected={expected:.6} ratio={:.3}",
            measured / expected
        );
    }
}

fn name(key: u64) -> Vec<u8> {
    key.to_le_bytes().to_vec()
}

async fn each(keys: &[Vec<u8>], ask: impl Fn(&Vec<u8>) -> bool + Send + Sync) -> f64 {
    let all = async {
        for key in keys {
            black_box(ask(key));
        }
    };
    Unit::Nanos.time(keys.len() as u64, all).await
}
