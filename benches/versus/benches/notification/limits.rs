//! Decisions of three rules at once (number, minute, address of origin) for ten thousand numbers.

use std::{num::NonZeroU32, time::Duration};

use governor::{Quota, RateLimiter};
use nebula_notification::{Charge, LimitStore, MemoryLimits, RedisLimits, nebula_redis::RedisConfig};
use nebula_test_support::{Effort, Unit, Versus, redis_url, unique};
use nebula_versus::{rounds, throughput};

const DAY: Duration = Duration::from_secs(24 * 3600);
const NUMBERS: u64 = 10_000;
const TASKS: usize = 32;

fn charges(number: u64) -> [Charge; 3] {
    [
        Charge::new(format!("phone.day:{number}"), u64::MAX, DAY),
        Charge::new(format!("phone.minute:{number}"), u64::MAX, Duration::from_secs(60)),
        Charge::new(format!("ip.day:{}", number % 256), u64::MAX, DAY),
    ]
}

pub(crate) async fn run(effort: Effort) {
    memory(effort).await;
    redis(effort).await;
}

async fn memory(effort: Effort) {
    let times = effort.pick(50_000, 300_000);
    let ours = MemoryLimits::new();
    let peer = RateLimiter::keyed(Quota::per_hour(NonZeroU32::MAX));
    let mut versus = Versus::new("limits memory").unit(Unit::OpsPerSec);
    for _ in 0..rounds(effort) {
        let decide = async || {
            Unit::OpsPerSec
                .time(times, async {
                    for number in 0..times {
                        ours.charge(&charges(number % NUMBERS)).await.unwrap();
                    }
                })
                .await
        };
        let govern = async || {
            Unit::OpsPerSec
                .time(times, async {
                    for number in 0..times {
                        for charge in charges(number % NUMBERS) {
                            peer.check_key(&charge.key).unwrap();
                        }
                    }
                })
                .await
        };
        versus.round("governor, one by one", decide, govern).await;
    }
    versus.print();
}

async fn redis(effort: Effort) {
    let time = Duration::from_millis(effort.pick(700, 3_000));
    let connection = RedisConfig::new(redis_url().await).connect().await.unwrap();
    let ours = RedisLimits::new(connection.clone()).with_namespace(unique("bench"));
    let counters = unique("bare");
    let mut versus = Versus::new("limits redis").unit(Unit::OpsPerSec);
    for _ in 0..rounds(effort) {
        let decide = async || {
            let number = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
            throughput(TASKS, time, &(ours.clone(), number), |(ours, number), _| async move {
                let next = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                ours.charge(&charges(next % NUMBERS)).await.unwrap();
            })
            .await
        };
        // Three counters that are counted up and end by themselves, in one trip, without a decision.
        let bare = async || {
            let number = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
            let side = (connection.clone(), counters.clone(), number);
            throughput(TASKS, time, &side, |(mut connection, counters, number), _| async move {
                let next = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % NUMBERS;
                let mut pipe = redis::pipe();
                for charge in charges(next) {
                    pipe.incr(format!("{counters}:{}", charge.key), 1).ignore();
                }
                pipe.query_async::<()>(&mut connection).await.unwrap();
            })
            .await
        };
        versus.round("three INCR (limit)", decide, bare).await;
    }
    versus.print();
}
