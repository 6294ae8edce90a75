//! Rate limits: decisions with leased tokens, and each by the store, against a bare script on Redis (the limit) and in the
//! process against governor; and how far what is allowed is from the ideal.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails has no result")]

mod error;

use std::num::NonZeroU32;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use nebula_cache::nebula_redis::{Connection, RedisConfig, Script};
use nebula_cache::rate_limit::{Quota, RateLimiter, RedisRates, Rule};
use nebula_test_support::{Effort, RedisServer, Versus};
use nebula_versus::{rounds, throughput};

/// One that no decision waits for.
const PATIENCE: Duration = Duration::from_secs(60);

static GCRA: LazyLock<Script> = LazyLock::new(|| Script::new("gcra", include_str!("gcra.lua")));

pub(crate) async fn limiter(url: &str, namespace: &str, rule: Rule) -> RateLimiter {
    let config = RedisConfig::new(url);
    let store =
        RedisRates::new(config.connect().await.unwrap(), config.subscriber().unwrap()).with_namespace(namespace);
    RateLimiter::builder(store).with_rules([rule]).with_timeout(PATIENCE).start().await.unwrap()
}

async fn decide(limiter: RateLimiter, _task: usize) {
    let _ = limiter.check("r", "203.0.113.7").await.unwrap();
}

async fn bare(mut connection: Connection, every: &'static str) {
    let _: i64 = GCRA.run(&[b"bare:r:203.0.113.7"], &[every.as_bytes(), b"1000000"], &mut connection).await.unwrap();
}

#[tokio::main]
async fn main() {
    let effort = Effort::from_args();
    let server = RedisServer::start().await;
    let url = server.url();
    let connection = RedisConfig::new(&url).connect().await.unwrap();
    let time = effort.pick(Duration::from_millis(500), Duration::from_secs(2));
    let second = Duration::from_secs(1);
    // More than anybody asks for, and the 100,000 a second of a gate in front of queries.
    let plenty = Quota::rate(1_000_000_000, second).unwrap();
    let gate = Quota::rate(100_000, second).unwrap();
    let rule = |quota: &Quota| Rule::new("r", quota.clone()).unwrap();
    let lease = |rule: Rule| rule.with_lease(10_000, Duration::from_millis(200)).unwrap();
    for tasks in [1, 64] {
        for (name, quota, every) in [("allowed", &plenty, "0"), ("gate 100k/s", &gate, "10")] {
            let leased = limiter(&url, &format!("leased:{tasks}:{name}"), lease(rule(quota))).await;
            let exact = limiter(&url, &format!("exact:{tasks}:{name}"), rule(quota)).await;
            let limit = async || throughput(tasks, time, &connection, move |side, _| bare(side, every)).await;
            let mut leases = Versus::new(&format!("limiter leased {name} t={tasks}"));
            let mut each = Versus::new(&format!("limiter exact {name} t={tasks}"));
            for _ in 0..rounds(effort) {
                leases.round("bare script", async || throughput(tasks, time, &leased, decide).await, limit).await;
                each.round("bare script", async || throughput(tasks, time, &exact, decide).await, limit).await;
            }
            leases.print();
            each.print();
        }
    }
    in_process(effort, time).await;
    error::print(&url, effort.pick(Duration::from_secs(3), Duration::from_secs(20))).await;
}

async fn in_process(effort: Effort, time: Duration) {
    let quota = Quota::rate(1_000_000_000, Duration::from_secs(1)).unwrap();
    let ours = RateLimiter::memory([Rule::new("r", quota).unwrap()]).unwrap();
    let most = NonZeroU32::new(1_000_000_000).unwrap();
    let theirs = Arc::new(governor::DefaultKeyedRateLimiter::<String>::keyed(governor::Quota::per_second(most)));
    let check = |side: Arc<governor::DefaultKeyedRateLimiter<String>>, _| async move {
        let _ = side.check_key(&"203.0.113.7".to_owned());
    };
    let mut versus = Versus::new("limiter in process t=1");
    for _ in 0..rounds(effort) {
        versus
            .round(
                "governor",
                async || throughput(1, time, &ours, decide).await,
                async || throughput(1, time, &theirs, check).await,
            )
            .await;
    }
    versus.print();
}
