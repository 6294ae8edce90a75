//! PostgreSQL 12 and newer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use sqlx::{Database, Executor, PgConnection, Pool, Postgres, Row};

use super::{
    beside::{LedgerRow, Ledgers, Marks, NewLedgerRow, beside},
    database::{Claim, ClaimedRow, Content, Counts, DeadRow, Dialect, NewRow, Settling, Statements, overdue_ms},
    lives::{Lives, lives},
    row::batch,
    statements::{returning, statements},
};

statements!(Postgres, "postgres");
beside!(Postgres, "postgres");
lives!(Postgres, "postgres");
// The lock is advisory and ends with the transaction; its number is as good as any.
returning!(
    Postgres,
    "postgres",
    remote: true,
    writing: "BEGIN",
    begin: "BEGIN; SELECT pg_advisory_xact_lock(7093838478413914469)",
    now
);

/// The server's clock at this moment, not at the beginning of the transaction.
async fn now(connection: &mut PgConnection) -> sqlx::Result<SystemTime> {
    let micros: i64 = sqlx::query_scalar("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
        .fetch_one(connection)
        .await?;
    Ok(UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).unwrap_or(0)))
}
