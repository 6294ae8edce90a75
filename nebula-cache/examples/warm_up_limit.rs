//! A process that is asked for more than it can do, from its first moment. `cargo run -p nebula-cache --example warm_up_limit`

use std::time::Duration;

use nebula_cache::rate_limit::WarmUpLimiter;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), nebula_cache::Error> {
    // Time passes as fast as nobody waits for anything else; leave this out and it takes three seconds.
    tokio::time::pause();
    let limiter =
        WarmUpLimiter::new(1_000, Duration::from_secs(1))?.with_burst(10)?.with_warm_up(Duration::from_secs(2))?;
    let mut seconds = [0; 3];
    for allowed in &mut seconds {
        for _ in 0..4_000 {
            tokio::time::advance(Duration::from_micros(250)).await;
            *allowed += u64::from(limiter.take(1).allowed);
        }
        println!("{allowed} of 4000 in a second, and now {} a second", limiter.rate());
    }
    assert!(seconds[0] < 600 && seconds[2] == 1_000, "{seconds:?}");
    let refused = limiter.take(11);
    println!("eleven at once: come back in {:?}", refused.retry_after);
    assert!(!refused.allowed);
    Ok(())
}
