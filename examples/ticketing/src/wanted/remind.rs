//! Tells buyers when the sale of a show that they want to see opens within a day, once for each session.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::storage::is_wanted;
use crate::{
    clock::Millis,
    ids::{SessionId, UserId},
    merchant::Merchants,
    outbox::{Outbox, REMIND, Recorded},
    problem::Result,
    show::SessionInfo,
    storage::{Connection, Database, sql::query},
};

/// So long before a sale opens its reminders go out.
const AHEAD: Duration = Duration::from_secs(24 * 60 * 60);
/// Reminders of one transaction.
const BATCH: u32 = 200;

/// The sale of a session opens soon, and this buyer is to hear of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminder {
    /// The buyer.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// When it was recorded, in milliseconds since 1970: one that was put back is another message.
    #[serde(default)]
    pub at: i64,
}

impl Recorded for Reminder {
    const QUEUE: &'static str = REMIND;

    fn id(&self) -> String {
        format!("{}:{}", self.key(), self.at)
    }
}

impl Reminder {
    /// What tells it from every other one: a buyer is told of a session once.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}:{}", self.session, self.user)
    }

    /// Whether it is still to be told, at the moment when it would be: since it was recorded the sale may have opened or been
    /// taken back, and the buyer may have changed their mind. Of a merchant that is suspended nothing is told: the reminder is
    /// put back, so that it is recorded anew if the merchant goes on before the sale opens.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Put back or not; ask again.
    pub async fn is_apt(&self, database: &Database, merchants: &Merchants, session: &SessionInfo) -> Result<bool> {
        if session.sale_opens_at <= Millis::now() || !is_wanted(&database.read, self.user, self.session).await? {
            return Ok(false);
        }
        if merchants.is_active(&session.merchant).await? {
            return Ok(true);
        }
        let reminder = *self;
        database.write.run(move |connection| Box::pin(async move { unmark(connection, &reminder).await })).await?;
        Ok(false)
    }
}

/// Looks for sales that open soon.
#[derive(Clone, Debug)]
pub struct Reminders {
    database: Database,
    outbox: Outbox,
}

impl Reminders {
    /// Reminders of what this database sells, handed on through this outbox.
    #[must_use]
    pub fn new(database: Database, outbox: Outbox) -> Self {
        Self { database, outbox }
    }

    /// Records the reminders that are due and answers how many. That a reminder is recorded, and that it was, commit together:
    /// it is told once, however many look.
    ///
    /// # Errors
    ///
    /// The database failed; what was recorded before stays.
    ///
    /// # Cancel safety
    ///
    /// Some may be recorded; the next time finds the others.
    pub async fn run(&self) -> Result<usize> {
        let mut all = 0;
        loop {
            let outbox = self.outbox.clone();
            let recorded = self.database.write.run(move |connection| {
                Box::pin(async move {
                    let due = due(connection).await?;
                    for reminder in &due {
                        if mark(connection, reminder).await? {
                            outbox.record(connection, reminder).await?;
                        }
                    }
                    Ok::<_, crate::problem::Problem>(due.len())
                })
            });
            let recorded = recorded.await?;
            all += recorded;
            if recorded < BATCH as usize {
                break;
            }
        }
        if all > 0 {
            self.outbox.wake();
        }
        Ok(all)
    }
}

async fn due(connection: &mut Connection<'_>) -> Result<Vec<Reminder>> {
    let now = Millis::now();
    let rows = query(include_str!("sql/due.sql")).bind(now.0).bind(now.plus(AHEAD).0).bind(BATCH);
    let rows = rows.fetch_all(connection).await?;
    rows.iter()
        .map(|row| Ok(Reminder { user: row.get("user_id")?, session: row.get("session_id")?, at: now.0 }))
        .collect()
}

/// Whether nobody was quicker.
async fn mark(connection: &mut Connection<'_>, reminder: &Reminder) -> Result<bool> {
    let sql = "INSERT INTO sale_reminders (session_id, user_id, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    let marked = query(sql).bind(reminder.session).bind(reminder.user).bind(reminder.at).execute(connection).await?;
    Ok(marked > 0)
}

/// As if it had not been recorded; what was recorded since stays.
async fn unmark(connection: &mut Connection<'_>, reminder: &Reminder) -> Result<()> {
    let sql = "DELETE FROM sale_reminders WHERE session_id = $1 AND user_id = $2 AND at = $3";
    query(sql).bind(reminder.session).bind(reminder.user).bind(reminder.at).execute(connection).await?;
    Ok(())
}
