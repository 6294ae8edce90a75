//! This crate's tables, with a version table of their own so that they live beside any application's.

use sqlx::{Connection, SqlitePool};

use super::error::sql_error;
use crate::Result;

/// In order; the position is the version. Only ever appended to.
const MIGRATIONS: [&str; 1] = [include_str!("sqlite/0001_messages.sql")];

pub(super) async fn migrate(pool: &SqlitePool) -> Result<()> {
    let failed = sql_error("migrating the delay queue's tables");
    let mut connection = pool.acquire().await.map_err(failed)?;
    // Takes the write lock before the version is read: of several processes that start at once, one migrates and the
    // others wait, then find nothing left to do.
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    sqlx::raw_sql(include_str!("sqlite/schema.sql")).execute(&mut *tx).await.map_err(failed)?;
    let version: i64 = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM nebula_delay_schema")
        .fetch_one(&mut *tx)
        .await
        .map_err(failed)?;
    for (number, migration) in (1i64..).zip(MIGRATIONS).filter(|(number, _)| *number > version) {
        sqlx::raw_sql(migration).execute(&mut *tx).await.map_err(failed)?;
        sqlx::query("INSERT INTO nebula_delay_schema (version) VALUES (?1)")
            .bind(number)
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
    }
    tx.commit().await.map_err(failed)
}
