use std::time::SystemTime;

use async_trait::async_trait;

use super::{
    Arg, Row, SqlStore, args, failed, file, rows, run,
    sealing::{INBOX, Sealing},
};
use crate::{
    error::Result,
    inbox::{InboxMessage, InboxQuery, InboxSelection, InboxState, InboxStore},
};

/// A row of `body, seen, id`.
async fn message(sealing: &Sealing, row: &Row) -> sqlx::Result<InboxMessage> {
    let message: InboxMessage = rows::from_body(&sealing.open(INBOX, &row.text(2)?, row.text(0)?).await?)?;
    Ok(InboxMessage { seen: row.maybe_int(1)?.map(rows::time), ..message })
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl InboxStore for SqlStore {
    async fn add(&self, user: &str, message: &InboxMessage) -> Result<bool> {
        let body = async { self.sealing.close(INBOX, &message.id, rows::to_body(message)?).await };
        let body = body.await.map_err(|error| failed("a message could not be sealed", error))?;
        run!(self, "a message could not be put into an inbox", false, |session| {
            let values = vec![
                message.id.as_str().into(),
                user.into(),
                message.reference.as_str().into(),
                message.template.as_str().into(),
                rows::millis(message.created).into(),
                Arg::MaybeInt(message.seen.map(rows::millis)),
                message.ends.map_or(i64::MAX, rows::millis).into(),
                body.as_str().into(),
            ];
            session.execute(file!("inbox_add"), values).await? > 0
        })
    }

    async fn list(&self, user: &str, query: &InboxQuery, now: SystemTime) -> Result<Vec<InboxMessage>> {
        run!(self, "an inbox could not be read", false, |session| {
            let file = if query.unread { file!("inbox_unread") } else { file!("inbox_list") };
            // No id is greater than this.
            let before = query.before.as_deref().unwrap_or("~");
            let found = session.fetch(file.into(), args![user, rows::millis(now), before, query.page()]).await?;
            let mut messages = Vec::with_capacity(found.len());
            for row in &found {
                messages.push(message(&self.sealing, row).await?);
            }
            messages
        })
    }

    async fn state(&self, user: &str, now: SystemTime) -> Result<InboxState> {
        run!(self, "an inbox could not be counted", false, |session| {
            let found = session.fetch(file!("inbox_state").into(), args![user, rows::millis(now)]).await?;
            let count = |row: &Row, column| row.int(column).map(|count| u64::try_from(count).unwrap_or(0));
            match found.first() {
                Some(row) if row.int(0)? > 0 => {
                    InboxState { total: count(row, 0)?, unread: count(row, 1)?, latest: Some(row.text(2)?) }
                }
                _ => InboxState::default(),
            }
        })
    }

    async fn mark(&self, user: &str, which: InboxSelection<'_>, now: SystemTime) -> Result<u64> {
        let now = rows::millis(now);
        run!(self, "messages could not be marked as read", true, |session| {
            match which {
                InboxSelection::All => session.execute(file!("inbox_read_all"), args![now, user, now]).await?,
                InboxSelection::Ids(ids) => {
                    let mut count = 0;
                    for id in ids {
                        count += session.execute(file!("inbox_read"), args![now, user, id.as_str(), now]).await?;
                    }
                    count
                }
            }
        })
    }

    async fn remove(&self, user: &str, which: InboxSelection<'_>) -> Result<u64> {
        run!(self, "messages could not be removed", true, |session| {
            match which {
                InboxSelection::All => session.execute(file!("inbox_remove_all"), args![user]).await?,
                InboxSelection::Ids(ids) => {
                    let mut count = 0;
                    for id in ids {
                        count += session.execute(file!("inbox_remove"), args![user, id.as_str()]).await?;
                    }
                    count
                }
            }
        })
    }

    async fn forget(&self, before: SystemTime, now: SystemTime) -> Result<u64> {
        run!(self, "old messages could not be removed", false, |session| {
            session.execute(file!("inbox_forget"), args![rows::millis(before), rows::millis(now)]).await?
        })
    }
}
