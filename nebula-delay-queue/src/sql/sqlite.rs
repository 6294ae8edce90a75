//! SQLite 3.38 and newer, which comes compiled in.

use std::time::SystemTime;

use async_trait::async_trait;
use sqlx::{Database, Executor, Pool, Row, Sqlite, SqliteConnection};

use super::{
    beside::{LedgerRow, Ledgers, Marks, NewLedgerRow, beside},
    database::{Claim, ClaimedRow, Content, Counts, DeadRow, Dialect, NewRow, Settling, Statements, overdue_ms},
    lives::{Lives, lives},
    row::batch,
    statements::{returning, statements},
};

statements!(Sqlite, "sqlite");
beside!(Sqlite, "sqlite");
lives!(Sqlite, "sqlite");
returning!(Sqlite, "sqlite", remote: false, writing: "BEGIN IMMEDIATE", begin: "BEGIN IMMEDIATE", now);

/// Processes that share the file share the machine and its clock.
async fn now(_: &mut SqliteConnection) -> sqlx::Result<SystemTime> {
    Ok(SystemTime::now())
}
