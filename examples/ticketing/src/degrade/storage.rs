//! What operators said, in the database, where all processes find it.

use serde::Serialize;

use crate::{
    clock::Millis,
    problem::{Problem, Result},
    storage::{Database, sql::query},
};

/// What operators say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Orders {
    /// So far every process goes at least.
    pub least: u8,
    /// Whether each goes further by itself.
    pub automatic: bool,
    /// Why.
    pub reason: String,
    /// Who said so; empty where nobody ever did.
    pub made_by: String,
    /// When.
    pub made_at: Millis,
}

impl Default for Orders {
    fn default() -> Self {
        Self { least: 0, automatic: true, reason: String::new(), made_by: String::new(), made_at: Millis(0) }
    }
}

pub(super) async fn read(database: &Database) -> Result<Orders> {
    let row = query("SELECT level, automatic, reason, made_by, made_at FROM degradation WHERE id = 1");
    let Some(row) = row.fetch_optional(&database.read).await? else { return Ok(Orders::default()) };
    Ok(Orders {
        least: u8::try_from(row.get::<i64>("level")?).map_err(Problem::internal)?,
        automatic: row.get::<i64>("automatic")? != 0,
        reason: row.get("reason")?,
        made_by: row.get("made_by")?,
        made_at: Millis(row.get("made_at")?),
    })
}

pub(super) async fn write(database: &Database, orders: Orders) -> Result<()> {
    database
        .write
        .run(move |connection| {
            Box::pin(async move {
                query(
                    "INSERT INTO degradation (id, level, automatic, reason, made_by, made_at) VALUES (1, $1, $2, $3, $4, $5) \
                     ON CONFLICT (id) DO UPDATE SET level = excluded.level, automatic = excluded.automatic, \
                     reason = excluded.reason, made_by = excluded.made_by, made_at = excluded.made_at",
                )
                .bind(i64::from(orders.least))
                .bind(i64::from(orders.automatic))
                .bind(orders.reason)
                .bind(orders.made_by)
                .bind(orders.made_at.0)
                .execute(connection)
                .await?;
                Ok(())
            })
        })
        .await
}

/// How long a write waits now: for its turn, for a connection, and for the database.
pub(super) async fn knock(database: &Database) -> Result<()> {
    database
        .write
        .run(|connection| {
            Box::pin(async move {
                query("SELECT 1").execute(connection).await?;
                Ok(())
            })
        })
        .await
}
