//! MariaDB 10.6 and MySQL 8.0.19 and newer. Neither answers every change with rows: what changes is looked up and locked first.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use sqlx::{Connection, Database, Executor, MySql, MySqlConnection, Pool, Row, Transaction};

use super::{
    beside::{LedgerRow, Ledgers, Marks, NewLedgerRow, beside},
    database::{Claim, ClaimedRow, Content, Counts, DeadRow, Dialect, NewRow, Settling, Statements, overdue_ms},
    lives::{Lives, lives},
    row::batch,
    statements::statements,
};

statements!(MySql, "mysql");
beside!(MySql, "mysql");
lives!(MySql, "mysql");

#[async_trait]
impl Dialect for MySql {
    const REMOTE: bool = true;
    /// Reads what is committed and locks the rows it finds, not the gaps between them.
    const WRITING: &'static str = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION";

    /// Changes of tables end transactions here, so a named lock keeps other processes away, and ends with the connection.
    async fn migrate(pool: &Pool<Self>) -> sqlx::Result<()> {
        const MIGRATIONS: &[&str] = &[
            include_str!("mysql/0001_messages.sql"),
            include_str!("mysql/0002_marks.sql"),
            include_str!("mysql/0003_ledger.sql"),
            include_str!("mysql/0004_traces.sql"),
        ];
        let mut connection = pool.acquire().await?.detach();
        let locked: Option<i64> = sqlx::query_scalar(include_str!("mysql/lock.sql")).fetch_one(&mut connection).await?;
        if locked != Some(1) {
            return Err(sqlx::Error::PoolTimedOut);
        }
        sqlx::raw_sql(include_str!("mysql/schema.sql")).execute(&mut connection).await?;
        let version: i64 = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM nebula_delay_schema")
            .fetch_one(&mut connection)
            .await?;
        for migration in MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or(0)) {
            sqlx::raw_sql(*migration).execute(&mut connection).await?;
        }
        connection.close().await
    }

    /// The server's clock. In UTC, where every moment has one name.
    async fn now(connection: &mut MySqlConnection) -> sqlx::Result<SystemTime> {
        let micros: i64 = sqlx::query_scalar("SELECT timestampdiff(MICROSECOND, '1970-01-01', utc_timestamp(6))")
            .fetch_one(connection)
            .await?;
        Ok(UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).unwrap_or(0)))
    }

    async fn insert_many(
        connection: &mut MySqlConnection,
        queue: &str,
        rows: &[NewRow<'_>],
    ) -> sqlx::Result<Vec<String>> {
        let query = sqlx::query(include_str!("mysql/insert_many.sql")).bind(batch(rows)?).bind(queue);
        match query.execute(&mut *connection).await {
            Ok(_) => return Ok(rows.iter().map(|row| row.id.to_owned()).collect()),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {}
            Err(error) => return Err(error),
        }
        // One of the ids is taken, and nothing was stored.
        let mut stored = Vec::new();
        for row in rows {
            if Self::insert_one(connection, queue, row).await? {
                stored.push(row.id.to_owned());
            }
        }
        Ok(stored)
    }

    async fn next(connection: &mut MySqlConnection, queue: &str) -> sqlx::Result<Option<i64>> {
        let query = sqlx::query_scalar(include_str!("mysql/next.sql"));
        query.bind(queue).bind(queue).bind(queue).fetch_one(connection).await
    }

    async fn peek(
        connection: &mut MySqlConnection,
        queue: &str,
        now: i64,
        limit: i64,
    ) -> sqlx::Result<Vec<(String, i64)>> {
        let query = sqlx::query_as(include_str!("mysql/peek.sql")).bind(queue).bind(now).bind(queue).bind(now);
        query.bind(queue).bind(now).bind(limit).fetch_all(connection).await
    }

    async fn claim(connection: &mut MySqlConnection, claim: Claim<'_>) -> sqlx::Result<Vec<ClaimedRow>> {
        let mut tx = begin(connection).await?;
        let mut rows = Vec::new();
        for rank in 0..3i64 {
            let wanted = claim.limit.saturating_sub(i64::try_from(rows.len()).unwrap_or(i64::MAX));
            if wanted == 0 {
                break;
            }
            let query = sqlx::query(include_str!("mysql/claim.sql")).bind(claim.queue).bind(rank).bind(claim.now);
            rows.extend(query.bind(wanted).try_map(claimed_row).fetch_all(&mut *tx).await?);
        }
        if !rows.is_empty() {
            let found: Vec<_> = rows.iter().map(|row| (row.content.seq, row.ready_ms)).collect();
            let found = serde_json::to_string(&found).map_err(|error| sqlx::Error::Encode(error.into()))?;
            let query = sqlx::query(include_str!("mysql/lease.sql")).bind(found).bind(claim.end).bind(claim.token);
            query.execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(rows)
    }

    async fn settle(
        connection: &mut MySqlConnection,
        settling: Settling,
        queue: &str,
        rows: &str,
        time: Option<i64>,
    ) -> sqlx::Result<Vec<String>> {
        let mut tx = begin(connection).await?;
        let held = sqlx::query_scalar(include_str!("mysql/held.sql")).bind(rows).bind(queue);
        let held: Vec<String> = held.fetch_all(&mut *tx).await?;
        if !held.is_empty() {
            let sql = match settling {
                Settling::Ack => include_str!("mysql/ack.sql"),
                Settling::Retry => include_str!("mysql/retry.sql"),
                Settling::Extend => include_str!("mysql/extend.sql"),
                Settling::Bury => include_str!("mysql/bury.sql"),
            };
            let query = sqlx::query(sql).bind(rows).bind(queue);
            let query = if let Some(time) = time { query.bind(time) } else { query };
            query.execute(&mut *tx).await?;
        }
        tx.commit().await?;
        Ok(held)
    }
}

async fn begin(connection: &mut MySqlConnection) -> sqlx::Result<Transaction<'_, MySql>> {
    connection.begin_with(MySql::WRITING).await
}
