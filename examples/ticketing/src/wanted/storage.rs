//! The lists in the database.

use std::collections::HashMap;

use nebula_tenant::TenantId;

use crate::{
    clock::Millis,
    ids::{SessionId, ShowId, UserId},
    problem::Result,
    storage::{Connection, Pool, sql::query},
};

/// A show on somebody's list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) show: ShowId,
    /// Since when.
    pub(super) at: Millis,
}

/// Puts a show on the list; again, it stays where it is.
pub(super) async fn add(connection: &mut Connection<'_>, user: UserId, show: ShowId) -> Result<()> {
    let sql = "INSERT INTO wanted_shows (user_id, show_id, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    query(sql).bind(user).bind(show).bind(Millis::now().0).execute(connection).await?;
    Ok(())
}

/// Takes it off.
pub(super) async fn remove(connection: &mut Connection<'_>, user: UserId, show: ShowId) -> Result<()> {
    let sql = "DELETE FROM wanted_shows WHERE user_id = $1 AND show_id = $2";
    query(sql).bind(user).bind(show).execute(connection).await?;
    Ok(())
}

/// One show of the list.
pub(super) async fn find(pool: &Pool, user: UserId, show: ShowId) -> Result<Option<Entry>> {
    let sql = "SELECT at FROM wanted_shows WHERE user_id = $1 AND show_id = $2";
    let at: Option<i64> = query(sql).bind(user).bind(show).scalar_optional(pool).await?;
    Ok(at.map(|at| Entry { show, at: Millis(at) }))
}

/// The list, what came last first; those after `after` if given.
pub(super) async fn list(pool: &Pool, user: UserId, after: Option<Entry>, limit: u32) -> Result<Vec<Entry>> {
    let (at, show) = after.map_or((i64::MAX, String::new()), |entry| (entry.at.0, entry.show.to_string()));
    let sql = "SELECT show_id, at FROM wanted_shows WHERE user_id = $1 AND (at < $2 OR at = $2 AND show_id < $3) \
               ORDER BY at DESC, show_id DESC LIMIT $4";
    let rows = query(sql).bind(user).bind(at).bind(show).bind(limit).fetch_all(pool).await?;
    rows.iter().map(|row| Ok(Entry { show: row.get("show_id")?, at: Millis(row.get("at")?) })).collect()
}

/// Whether somebody wants to be told of a session: it is still published, and its show is on their list.
pub(super) async fn is_wanted(pool: &Pool, user: UserId, session: SessionId) -> Result<bool> {
    let sql = "SELECT 1 AS one FROM sessions s JOIN shows h ON h.id = s.show_id \
               JOIN wanted_shows w ON w.show_id = h.id AND w.user_id = $1 \
               WHERE s.id = $2 AND s.published = 1 AND h.published = 1 AND h.hidden = 0";
    Ok(query(sql).bind(user).bind(session).fetch_optional(pool).await?.is_some())
}

/// How many buyers want to see each of a merchant's shows; those that nobody does are left out.
///
/// # Errors
///
/// The database failed.
///
/// # Cancel safety
///
/// Safe.
pub async fn counts(pool: &Pool, merchant: &TenantId) -> Result<HashMap<ShowId, i64>> {
    let sql = "SELECT w.show_id, count(*) AS buyers FROM wanted_shows w JOIN shows s ON s.id = w.show_id \
               WHERE s.tenant_id = $1 GROUP BY w.show_id";
    let rows = query(sql).bind(merchant.as_str()).fetch_all(pool).await?;
    rows.iter().map(|row| Ok((row.get("show_id")?, row.get("buyers")?))).collect()
}
