//! Orders that are not paid in time are cancelled: stored in the same transaction as their timeouts, in one SQLite file.
//!
//! `cargo run -p nebula-delay-queue --features sqlite --example order_timeout`

use std::{error::Error, time::Duration};

use nebula_delay_queue::{
    DelayMessage, DelayQueue, SqlDelayQueue, delay_queue_listener,
    sqlx::{self, SqlitePool, sqlite::SqliteConnectOptions},
};

/// Short, so that the example ends soon.
const TIME_TO_PAY: Duration = Duration::from_millis(300);

#[delay_queue_listener(queue = "order.timeout", concurrency = 4, retry_times = 3, retry_interval = "1s")]
async fn order_timeout(pool: &SqlitePool, order: i64) -> Result<(), sqlx::Error> {
    // Conditional, so that a second delivery of the message changes nothing.
    let cancelled = sqlx::query("UPDATE shop_order SET state = 'cancelled' WHERE id = ? AND state = 'unpaid'")
        .bind(order)
        .execute(pool)
        .await?;
    match cancelled.rows_affected() {
        0 => println!("order {order}: paid in time"),
        _ => println!("order {order}: not paid in time, cancelled"),
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let options = SqliteConnectOptions::new().filename(folder.path().join("shop.db")).create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await?;
    sqlx::query("CREATE TABLE shop_order (id INTEGER PRIMARY KEY, state TEXT)").execute(&pool).await?;
    SqlDelayQueue::migrate(&pool).await?;

    let sql = SqlDelayQueue::new(pool.clone());
    let queue = DelayQueue::new(sql.clone());
    let name = queue.name("order.timeout")?;
    queue.listen(order_timeout_listener(pool.clone()))?.start()?;

    for order in 1..=3i64 {
        let timeout = DelayMessage::builder().id(format!("order:{order}")).body(order).delay(TIME_TO_PAY).build()?;
        let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("INSERT INTO shop_order VALUES (?, 'unpaid')").bind(order).execute(&mut *tx).await?;
        sql.enqueue_in(&mut tx, &name, &timeout).await?;
        tx.commit().await?;
        sql.notify(&name);
    }
    sqlx::query("UPDATE shop_order SET state = 'paid' WHERE id = 2").execute(&pool).await?;

    loop {
        let stats = queue.stats("order.timeout").await?;
        if stats.backlog + stats.delayed + stats.leased == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("{:?}", queue.shutdown(Duration::from_secs(5)).await);
    let states: Vec<(i64, String)> = sqlx::query_as("SELECT id, state FROM shop_order").fetch_all(&pool).await?;
    let expected = [(1, "cancelled"), (2, "paid"), (3, "cancelled")].map(|(id, state)| (id, state.to_owned()));
    assert_eq!(states, expected);
    Ok(())
}
