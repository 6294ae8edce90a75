//! Tells buyers when the sale of a show that they want to see opens within a day, once for each session.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    clock::Millis,
    ids::{SessionId, UserId},
    outbox::{Outbox, Recorded},
    problem::Result,
    storage::{Connection, Database, sql::query},
};

/// Queue of [`Reminder`].
pub const REMIND: &str = "wanted.remind";
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
}

impl Recorded for Reminder {
    const QUEUE: &'static str = REMIND;

    fn id(&self) -> String {
        format!("{}:{}", self.session, self.user)
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
    rows.iter().map(|row| Ok(Reminder { user: row.get("user_id")?, session: row.get("session_id")? })).collect()
}

/// Whether nobody was quicker.
async fn mark(connection: &mut Connection<'_>, reminder: &Reminder) -> Result<bool> {
    let sql = "INSERT INTO sale_reminders (session_id, user_id, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    let marked =
        query(sql).bind(reminder.session).bind(reminder.user).bind(Millis::now().0).execute(connection).await?;
    Ok(marked > 0)
}
