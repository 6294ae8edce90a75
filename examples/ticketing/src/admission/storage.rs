//! Policies and reservations in the database.

use super::policy::Policy;
use crate::{
    clock::Millis,
    ids::{SessionId, UserId},
    problem::{Problem, Result},
    storage::{
        Connection,
        sql::{Target, query},
    },
};

const PUT_POLICY: &str = include_str!("sql/put_policy.sql");
const RESERVE: &str = include_str!("sql/reserve.sql");
const RESERVATIONS: &str = include_str!("sql/reservations.sql");

/// The policy of a session; the default where nobody has set one.
pub(super) async fn policy<'t>(target: impl Into<Target<'t>>, session: SessionId) -> Result<Policy> {
    let text: Option<String> = query("SELECT policy FROM admission_policies WHERE session_id = $1")
        .bind(session)
        .scalar_optional(target)
        .await?;
    text.map_or_else(|| Ok(Policy::default()), |text| serde_json::from_str(&text).map_err(Problem::internal))
}

pub(super) async fn put_policy(
    connection: &mut Connection<'_>,
    session: SessionId,
    policy: &Policy,
    by: &str,
) -> Result<()> {
    let text = serde_json::to_string(policy).map_err(Problem::internal)?;
    query(PUT_POLICY).bind(session).bind(text).bind(by).bind(Millis::now().0).execute(connection).await?;
    Ok(())
}

/// Whether a session is sold in the flash-sale domain.
pub(super) async fn is_flash<'t>(target: impl Into<Target<'t>>, session: SessionId) -> Result<bool> {
    let found: Option<i64> =
        query("SELECT at FROM flash_sessions WHERE session_id = $1").bind(session).scalar_optional(target).await?;
    Ok(found.is_some())
}

/// Whether somebody ordered seats of a session, ever.
pub(super) async fn has_orders(connection: &mut Connection<'_>, session: SessionId) -> Result<bool> {
    let found: Option<String> = query("SELECT id FROM all_orders WHERE session_id = $1 LIMIT 1")
        .bind(session)
        .scalar_optional(connection)
        .await?;
    Ok(found.is_some())
}

pub(super) async fn put_flash(connection: &mut Connection<'_>, session: SessionId, flash: bool) -> Result<()> {
    let statement = if flash {
        query("INSERT INTO flash_sessions (session_id, at) VALUES ($1, $2) ON CONFLICT (session_id) DO NOTHING")
            .bind(session)
            .bind(Millis::now().0)
    } else {
        query("DELETE FROM flash_sessions WHERE session_id = $1").bind(session)
    };
    statement.execute(connection).await?;
    Ok(())
}

pub(super) async fn reserve(connection: &mut Connection<'_>, session: SessionId, user: UserId) -> Result<bool> {
    Ok(query(RESERVE).bind(session).bind(user).bind(Millis::now().0).execute(connection).await? > 0)
}

pub(super) async fn cancel(connection: &mut Connection<'_>, session: SessionId, user: UserId) -> Result<()> {
    query("DELETE FROM reservations WHERE session_id = $1 AND user_id = $2")
        .bind(session)
        .bind(user)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn reserved<'t>(target: impl Into<Target<'t>>, session: SessionId, user: UserId) -> Result<bool> {
    let found: Option<i64> = query("SELECT at FROM reservations WHERE session_id = $1 AND user_id = $2")
        .bind(session)
        .bind(user)
        .scalar_optional(target)
        .await?;
    Ok(found.is_some())
}

/// A page of the reservations of sales that are not over, as `session:user`, after `after`.
pub(super) async fn page<'t>(target: impl Into<Target<'t>>, after: &str, most: u32) -> sqlx::Result<Vec<String>> {
    query(RESERVATIONS).bind(Millis::now().0).bind(after).bind(most).scalars(target).await
}
