//! Two nodes share what one of them loads, and forget it together. `cargo run -p nebula-cache --example seats_left`

use std::time::Duration;

use futures_util::future::try_join_all;
use nebula_cache::{CacheManager, Loaded, MemoryShared};

#[tokio::main]
async fn main() -> Result<(), nebula_cache::Error> {
    // In one process. `RedisShared` in the place of `MemoryShared` makes it many.
    let shared = MemoryShared::new();
    let (here, there) = (CacheManager::new(shared.clone()).await?, CacheManager::new(shared).await?);
    let (ours, theirs) = (here.cache::<String, u32>("seats-left").build()?, there.cache("seats-left").build()?);
    let train = "G101".to_owned();

    // A hundred callers, one query.
    for left in try_join_all((0..100).map(|_| ours.get_or_load(&train, query(12)))).await? {
        assert_eq!(left.as_deref(), Some(&12));
    }
    println!("{} loads, {} callers waited for them", ours.snapshot().loads, ours.snapshot().joined_loads);

    // The other node finds it in the shared level; `query(0)` is not run.
    println!("there: {:?}", theirs.get_or_load(&train, query(0)).await?);

    // A seat is sold. All nodes forget; usually within a millisecond, at the latest within the staleness bound.
    let evicted = ours.evict(&train).await?;
    there.caught_up(evicted, Duration::from_secs(2)).await?;
    println!("there, after the sale: {:?}", theirs.get_or_load(&train, query(11)).await?);

    // All trains of a line at once.
    there.evict_tag("line:beijing-shanghai").await?;
    assert!(theirs.get(&train).await?.is_none());
    Ok(())
}

async fn query(left: u32) -> Result<Loaded<u32>, std::io::Error> {
    println!("a query");
    tokio::time::sleep(Duration::from_millis(50)).await;
    Ok(Loaded::value(left).with_tag("line:beijing-shanghai"))
}
