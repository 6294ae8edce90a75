//! The sessions that a door may be opened for.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use super::issue::Tickets;
use crate::{clock::Millis, ids::SessionId, problem::Result, storage::sql::query};

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
    /// The sessions around now, by their beginning.
    ///
    /// # Errors
    ///
    /// When the database refuses.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn door_sessions(&self) -> Result<Vec<DoorSession>> {
        let now = Millis::now();
        query(include_str!("sql/door_sessions.sql"))
            .bind(now.minus(PAST).0)
            .bind(now.plus(AHEAD).0)
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
