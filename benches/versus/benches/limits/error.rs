//! What is allowed, against the ideal: the burst, and the rate times the time.

use std::time::{Duration, Instant};

use nebula_cache::rate_limit::{Quota, Rule};
use tokio::task::JoinSet;

/// Callers on each of two nodes.
const TASKS: usize = 16;

/// Twice as many callers as a rate of `rate` lets through, on two nodes, with leases and without.
pub(crate) async fn print(url: &str, time: Duration) {
    for rate in [1_000_u64, 20_000, 100_000] {
        for lease in [None, Some(Duration::from_millis(50)), Some(Duration::from_millis(200))] {
            let burst = rate / 10;
            let quota = Quota::rate(rate, Duration::from_secs(1)).unwrap().with_burst(burst).unwrap();
            let rule = Rule::new("r", quota).unwrap();
            let rule = lease.map_or_else(|| rule.clone(), |time| rule.clone().with_lease(rate / 10, time).unwrap());
            let namespace = format!("error:{rate}:{lease:?}");
            let mut callers = JoinSet::new();
            let began = Instant::now();
            for _ in 0..2 {
                let node = crate::limiter(url, &namespace, rule.clone()).await;
                for _ in 0..TASKS {
                    let node = node.clone();
                    callers.spawn(async move {
                        let mut allowed = 0_u64;
                        while began.elapsed() < time {
                            if node.check("r", "k").await.unwrap().is_allowed() {
                                allowed += 1;
                            } else {
                                tokio::time::sleep(Duration::from_millis(1)).await;
                            }
                        }
                        allowed
                    });
                }
            }
            let allowed: u64 = callers.join_all().await.into_iter().sum();
            let elapsed = began.elapsed().as_secs_f64();
            let ideal = burst as f64 + rate as f64 * elapsed;
            let bound = rate as f64 * lease.unwrap_or_default().as_secs_f64();
            let error = (allowed as f64 - ideal) / ideal * 100.0;
            println!(
                "limiter error rate={rate}/s lease={} allowed={allowed} ideal={ideal:.0} error={error:+.2}% bound=+{:.2}%",
                lease.map_or_else(|| "none".to_owned(), |time| format!("{time:?}")),
                bound / ideal * 100.0,
            );
        }
    }
}
