//! The blacklist in the database.

use uuid::Uuid;

use super::blacklist::{Entry, Kind};
use crate::{
    clock::Millis,
    storage::{
        Connection,
        sql::{Row, Target, query},
    },
};

const ALL: &str = include_str!("sql/all.sql");
const PUT: &str = include_str!("sql/put.sql");
const REMOVE: &str = include_str!("sql/remove.sql");

/// Entries that hold at `now`, the newest first.
pub(super) async fn all<'t>(target: impl Into<Target<'t>>, now: Millis) -> sqlx::Result<Vec<Entry>> {
    query(ALL).bind(now.0).fetch_all(target).await?.iter().map(read).collect()
}

/// Makes an entry, or changes the one of the same kind and value. Entries that are over go at this occasion.
pub(super) async fn put(connection: &mut Connection<'_>, entry: Entry) -> sqlx::Result<Entry> {
    query("DELETE FROM blacklist WHERE expires_at <= $1").bind(entry.made_at.0).execute(&mut *connection).await?;
    let row = query(PUT)
        .bind(entry.id.to_string())
        .bind(entry.kind.as_str())
        .bind(entry.value)
        .bind(entry.reason)
        .bind(entry.made_by)
        .bind(entry.made_at.0)
        .bind(entry.expires_at.map(|at| at.0))
        .fetch_optional(connection)
        .await?;
    read(&row.ok_or(sqlx::Error::RowNotFound)?)
}

pub(super) async fn remove(connection: &mut Connection<'_>, id: Uuid) -> sqlx::Result<Option<Entry>> {
    query(REMOVE).bind(id.to_string()).fetch_optional(connection).await?.as_ref().map(read).transpose()
}

fn read(row: &Row) -> sqlx::Result<Entry> {
    let unreadable = |column: &str| sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: "not what this program writes".into(),
    };
    let expires: i64 = row.get("expires_at")?;
    let made_by: String = row.get("made_by")?;
    Ok(Entry {
        id: row.get::<String>("id")?.parse().map_err(|_| unreadable("id"))?,
        kind: Kind::of(&row.get::<String>("kind")?).ok_or_else(|| unreadable("kind"))?,
        value: row.get("value")?,
        reason: row.get("reason")?,
        made_by: (!made_by.is_empty()).then_some(made_by),
        made_at: Millis(row.get("made_at")?),
        expires_at: (expires != 0).then_some(Millis(expires)),
    })
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Network => "network",
            Self::Device => "device",
        }
    }

    fn of(text: &str) -> Option<Self> {
        [Self::User, Self::Network, Self::Device].into_iter().find(|kind| kind.as_str() == text)
    }
}
