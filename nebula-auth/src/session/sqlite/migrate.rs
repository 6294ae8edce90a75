//! Creates and upgrades the tables.

use sqlx::SqlitePool;

use super::failed;
use crate::error::Error;

/// Applied in order, each once. Never edit one that was released; add another.
const MIGRATIONS: &[&str] = &[include_str!("0001_session.sql")];

/// Creates or upgrades the tables `nebula_auth_*`. Any number of processes may call it at once.
///
/// # Errors
/// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if the database cannot be written.
///
/// # Cancel safety
/// Everything happens in one transaction: it is done, or nothing is.
pub async fn migrate(pool: &SqlitePool) -> Result<(), Error> {
    run(pool).await.map_err(|error| failed("the tables nebula_auth_* could not be migrated", error))
}

async fn run(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    // Taking the write lock at once makes concurrent callers wait instead of failing half-way.
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::raw_sql(include_str!("schema.sql")).execute(&mut *transaction).await?;
    let applied: i64 = sqlx::query_scalar(include_str!("schema_version.sql")).fetch_one(&mut *transaction).await?;
    let applied = usize::try_from(applied).unwrap_or(0);
    for (number, migration) in MIGRATIONS.iter().enumerate().skip(applied) {
        sqlx::raw_sql(*migration).execute(&mut *transaction).await?;
        sqlx::query(include_str!("schema_record.sql"))
            .bind(i64::try_from(number + 1).unwrap_or(i64::MAX))
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await
}
