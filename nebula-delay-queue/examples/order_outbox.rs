//! Orders and the messages about them are written in one transaction; a relay moves the messages on to where they are worked off.
//!
//! `cargo run -p nebula-delay-queue --features sqlite --example order_outbox`
//!
//! The messages go to a second SQLite file here, so that nothing has to be installed. `DelayQueueConfig::rabbitmq(url)` or
//! `DelayQueueConfig::redis(url)` in place of it, or a `RelayConfig`, is all that it takes to move them to a server.

use std::{
    collections::BTreeSet,
    error::Error,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use nebula_delay_queue::{
    DelayMessage, DelayQueue, MemoryIdempotency, Outbox, Received, Relay, SqlDelayQueue,
    sqlx::{self, SqlitePool, sqlite::SqliteConnectOptions},
};

const QUEUE: &str = "order.placed";

async fn open(file: &Path) -> Result<SqlDelayQueue, Box<dyn Error>> {
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(file).create_if_missing(true)).await?;
    SqlDelayQueue::migrate(&pool).await?;
    Ok(SqlDelayQueue::new(pool))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let shop = open(&folder.path().join("shop.db")).await?;
    let target = open(&folder.path().join("messages.db")).await?;
    let pool = shop.pool().clone();
    sqlx::query("CREATE TABLE shop_order (id INTEGER PRIMARY KEY)").execute(&pool).await?;

    // Elsewhere: a worker. What a relay moves twice has one id, and takes effect once.
    let told = Arc::new(Mutex::new(BTreeSet::new()));
    let tell = Arc::clone(&told);
    let handler = move |order: Received<i64>| {
        println!("order {} was placed", order.body());
        tell.lock().map(|mut told| told.insert(order.into_body())).map_err(|_| "nobody listens").map(drop)
    };
    let queue = DelayQueue::new(target.clone());
    queue
        .worker(QUEUE)?
        .handle(move |order| std::future::ready(handler(order)))
        .idempotent(MemoryIdempotency::new())
        .start()?;

    // In any process, and in as many as you like.
    let relay = Relay::new(shop.clone(), target).queue(QUEUE)?.start()?;

    let outbox = Outbox::new(shop);
    let name = QUEUE.try_into()?;
    for order in 1..=4i64 {
        let placed = DelayMessage::builder().id(format!("order:{order}")).body(order).build()?;
        let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("INSERT INTO shop_order VALUES (?)").bind(order).execute(&mut *tx).await?;
        outbox.enqueue_in(&mut tx, &name, &placed).await?;
        if order == 3 {
            // The card was declined: no order, and nobody hears of one.
            tx.rollback().await?;
        } else {
            tx.commit().await?;
            outbox.notify(&name);
        }
    }

    let expected = BTreeSet::from([1, 2, 4]);
    while told.lock().map_err(|_| "the handler panicked")?.len() < expected.len() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("{:?}", relay.status());
    assert!(relay.shutdown(Duration::from_secs(10)).await);
    queue.shutdown(Duration::from_secs(10)).await;
    assert_eq!(*told.lock().map_err(|_| "the handler panicked")?, expected);
    Ok(())
}
