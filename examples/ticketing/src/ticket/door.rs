//! The sessions that a door may be opened for.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use super::issue::Tickets;
use crate::{
    clock::Millis,
    ids::SessionId,
    merchant::Rows,
    problem::Result,
    storage::sql::{Sql, query},
};

/// A session that began so long ago is over.
const PAST: Duration = Duration::from_secs(24 * 3_600);
/// Nobody opens doors longer before a session.
const AHEAD: Duration = Duration::from_secs(60 * 24 * 3_600);

/// A session at the door.
#[derive(Debug, Serialize, ToSchema)]
pub struct DoorSession {
    id: SessionId,
    title: String,
    title_zh: String,
    venue: String,
    starts_at: Millis,
}

impl Tickets {
    /// The sessions of these merchants around now, by their beginning.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn door_sessions(&self, rows: &Rows) -> Result<Vec<DoorSession>> {
        let now = Millis::now();
        let merchants = rows.condition("sessions.tenant_id", 3);
        let sql = format!(include_str!("sql/door_sessions.sql"), merchants = merchants);
        rows.bind(query(Sql::Built(sql)).bind(now.minus(PAST).0).bind(now.plus(AHEAD).0))
            .fetch_all(&self.database.read)
            .await?
            .iter()
            .map(|row| {
                Ok(DoorSession {
                    id: row.get("id")?,
                    title: row.get("title")?,
                    title_zh: row.get("title_zh")?,
                    venue: row.get("venue")?,
                    starts_at: Millis(row.get("starts_at")?),
                })
            })
            .collect()
    }
}
