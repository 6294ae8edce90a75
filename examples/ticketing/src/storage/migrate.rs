//! Brings the tables up to date. A migration that was released is never edited: append.

use sqlx::{PgPool, SqlitePool};

/// For SQLite, oldest first; the file remembers how many it has.
const SQLITE: &[&str] = &[
    include_str!("../../migrations/sqlite/0001_init.sql"),
    include_str!("../../migrations/sqlite/0002_roles.sql"),
    include_str!("../../migrations/sqlite/0003_tickets.sql"),
    include_str!("../../migrations/sqlite/0004_admission.sql"),
    include_str!("../../migrations/sqlite/0005_merchants.sql"),
    include_str!("../../migrations/sqlite/0006_sweep.sql"),
    include_str!("../../migrations/sqlite/0007_notices.sql"),
    include_str!("../../migrations/sqlite/0008_marketing.sql"),
    include_str!("../../migrations/sqlite/0009_search.sql"),
    include_str!("../../migrations/sqlite/0010_personal_data.sql"),
    include_str!("../../migrations/sqlite/0011_degradation.sql"),
    include_str!("../../migrations/sqlite/0012_archive.sql"),
    include_str!("../../migrations/sqlite/0013_stock_reports.sql"),
    include_str!("../../migrations/sqlite/0014_sale_counts.sql"),
    include_str!("../../migrations/sqlite/0015_identities.sql"),
    include_str!("../../migrations/sqlite/0016_standing_and_wishes.sql"),
    include_str!("../../migrations/sqlite/0017_persons.sql"),
    include_str!("../../migrations/sqlite/0018_counter.sql"),
    include_str!("../../migrations/sqlite/0019_jobs.sql"),
    include_str!("../../migrations/sqlite/0020_pictures.sql"),
    include_str!("../../migrations/sqlite/0021_names.sql"),
    include_str!("../../migrations/sqlite/0022_attendee_grams.sql"),
    include_str!("../../migrations/sqlite/0023_refused_names_and_devices.sql"),
    include_str!("../../migrations/sqlite/0024_left_by_former_releases.sql"),
    include_str!("../../migrations/sqlite/0025_plan_names.sql"),
];

/// For PostgreSQL, oldest first; a table remembers how many there are.
const POSTGRES: &[&str] = &[
    include_str!("../../migrations/postgres/0001_init.sql"),
    include_str!("../../migrations/postgres/0002_roles.sql"),
    include_str!("../../migrations/postgres/0003_tickets.sql"),
    include_str!("../../migrations/postgres/0004_admission.sql"),
    include_str!("../../migrations/postgres/0005_merchants.sql"),
    include_str!("../../migrations/postgres/0006_sweep.sql"),
    include_str!("../../migrations/postgres/0007_notices.sql"),
    include_str!("../../migrations/postgres/0008_marketing.sql"),
    include_str!("../../migrations/postgres/0009_search.sql"),
    include_str!("../../migrations/postgres/0010_personal_data.sql"),
    include_str!("../../migrations/postgres/0011_degradation.sql"),
    include_str!("../../migrations/postgres/0012_archive.sql"),
    include_str!("../../migrations/postgres/0013_stock_reports.sql"),
    include_str!("../../migrations/postgres/0014_sale_counts.sql"),
    include_str!("../../migrations/postgres/0015_identities.sql"),
    include_str!("../../migrations/postgres/0016_standing_and_wishes.sql"),
    include_str!("../../migrations/postgres/0017_persons.sql"),
    include_str!("../../migrations/postgres/0018_counter.sql"),
    include_str!("../../migrations/postgres/0019_jobs.sql"),
    include_str!("../../migrations/postgres/0020_pictures.sql"),
    include_str!("../../migrations/postgres/0021_names.sql"),
    include_str!("../../migrations/postgres/0022_attendee_grams.sql"),
    include_str!("../../migrations/postgres/0023_refused_names_and_devices.sql"),
    include_str!("../../migrations/postgres/0024_left_by_former_releases.sql"),
    include_str!("../../migrations/postgres/0025_plan_names.sql"),
];

/// Any number that nothing else on the server locks: one process migrates, the others wait.
const ADVISORY_LOCK: i64 = 0x7469_636b_6574_696e;

pub(super) async fn sqlite(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    let done: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *transaction).await?;
    for (index, migration) in SQLITE.iter().enumerate().skip(usize::try_from(done).unwrap_or(0)) {
        sqlx::raw_sql(*migration).execute(&mut *transaction).await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("PRAGMA user_version = {}", index + 1)))
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await
}

pub(super) async fn postgres(pool: &PgPool) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    // An index of millions of rows takes longer than anything that a request may ask for.
    sqlx::raw_sql("SET LOCAL statement_timeout = 0").execute(&mut *transaction).await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(ADVISORY_LOCK).execute(&mut *transaction).await?;
    sqlx::raw_sql("CREATE TABLE IF NOT EXISTS ticketing_schema (version BIGINT PRIMARY KEY)")
        .execute(&mut *transaction)
        .await?;
    let done: i64 = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM ticketing_schema")
        .fetch_one(&mut *transaction)
        .await?;
    for (index, migration) in POSTGRES.iter().enumerate().skip(usize::try_from(done).unwrap_or(0)) {
        sqlx::raw_sql(*migration).execute(&mut *transaction).await?;
        sqlx::query("INSERT INTO ticketing_schema (version) VALUES ($1)")
            .bind(i64::try_from(index + 1).unwrap_or(i64::MAX))
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await
}
