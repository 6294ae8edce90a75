//! The page of numbers, with something to see: `cargo run -p nebula-cache --features dashboard,rate-limit --example dashboard -- --once`
//! prints them and ends. Without `--once` it goes on serving the page at the address that it prints.

use std::time::Duration;

use axum::Router;
use nebula_cache::CacheManager;
use nebula_cache::dashboard::Dashboard;
use nebula_cache::rate_limit::{Quota, RateLimiter, Rule};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let caches = CacheManager::local();
    let trains = caches.cache::<u64, String>("trains").with_ttl(Duration::from_secs(3)).build()?;
    let users = caches.cache::<u64, String>("users").with_local_capacity(500).build()?;
    let limiter = RateLimiter::memory([
        Rule::new("query", Quota::rate(80, Duration::from_secs(1))?)?,
        Rule::new("login.ip", Quota::rate(10, Duration::from_secs(60))?)?,
    ])?;
    let page = Dashboard::new().with_caches(&caches).with_limiter(&limiter).router();
    let load = async move {
        for number in 0_u64.. {
            let key = number * number % 97;
            let _ = trains
                .get_or_load(&key, async move {
                    tokio::time::sleep(Duration::from_millis(key % 7)).await;
                    std::io::Result::Ok((key % 5 > 0).then(|| format!("G{key}")))
                })
                .await;
            if number % 3 == 0 {
                let _ = users.put(number % 900, "somebody".to_owned()).await;
            }
            let _ = users.get(&(number % 1_000)).await;
            let _ = limiter.check("query", "all").await;
            if number % 40 == 0 {
                let _ = limiter.check("login.ip", "203.0.113.7").await;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    println!("http://{address}/cache");
    let app: Router = Router::new().nest("/cache", page);
    let serve = async { axum::serve(listener, app).await };
    if std::env::args().any(|argument| argument == "--once") {
        let numbers = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            serde_json::to_string(&caches.snapshot())
        };
        tokio::select! { numbers = numbers => println!("{}", numbers?), () = load => {}, ended = serve => ended? }
        return Ok(());
    }
    tokio::select! { () = load => {}, ended = serve => ended? }
    Ok(())
}
