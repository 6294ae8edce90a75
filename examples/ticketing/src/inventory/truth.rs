//! What the database says about the seats of a session.

use std::collections::{HashMap, HashSet};

use sqlx::SqliteConnection;

use super::{ImageOrder, LedgerImage};
use crate::{
    clock::Millis,
    ids::{OrderId, SeatPosition, SessionId, UserId},
    problem::Problem,
    storage::Database,
};

/// A generation of a ledger that was opened in the database and waits for its image.
pub(super) struct Generation {
    epoch: i64,
    seats_per_user: u32,
    seats: u32,
}

/// Opens a generation numbered `at_least` or higher, above every earlier one. `None`: no such session.
pub(super) async fn open_epoch(
    database: &Database,
    session: SessionId,
    at_least: i64,
) -> Result<Option<Generation>, Problem> {
    let opened = database.write.run::<_, Problem, _>(move |connection| Box::pin(open(connection, session, at_least)));
    opened.await
}

async fn open(
    connection: &mut SqliteConnection,
    session: SessionId,
    at_least: i64,
) -> Result<Option<Generation>, Problem> {
    let row: Option<(i64, u32, u32)> = sqlx::query_as(include_str!("sql/open_epoch.sql"))
        .bind(session)
        .bind(at_least)
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|(epoch, seats_per_user, seats)| Generation { epoch, seats_per_user, seats }))
}

/// The image for `generation`.
///
/// Read after the generation was opened: no order of an older one can come to the database any more, and none of this
/// one exists before the image is loaded. So all that can change meanwhile is that orders end.
pub(super) async fn image(
    database: &Database,
    session: SessionId,
    generation: Generation,
) -> Result<LedgerImage, Problem> {
    let rows: Vec<(OrderId, UserId, bool, SeatPosition)> =
        sqlx::query_as(include_str!("sql/image.sql")).bind(session).fetch_all(&database.read).await?;
    let mut orders: HashMap<(OrderId, bool), ImageOrder> = HashMap::new();
    for (order, user, sold, position) in rows {
        let entry = orders.entry((order, sold)).or_insert_with(|| ImageOrder { order, user, seats: Vec::new(), sold });
        entry.seats.push(position);
    }
    let Generation { epoch, seats_per_user, seats } = generation;
    Ok(LedgerImage { epoch, seats, seats_per_user, orders: orders.into_values().collect() })
}

/// Orders of the session that hold seats and are not paid.
pub(super) async fn live(database: &Database, session: SessionId) -> Result<HashSet<OrderId>, Problem> {
    let live: Vec<OrderId> =
        sqlx::query_scalar(include_str!("sql/live.sql")).bind(session).fetch_all(&database.read).await?;
    Ok(live.into_iter().collect())
}

/// Whether the order owns sold seats.
pub(super) async fn is_sold(database: &Database, order: OrderId) -> Result<bool, Problem> {
    Ok(sqlx::query_scalar(include_str!("sql/sold.sql")).bind(order).fetch_one(&database.read).await?)
}

/// Sessions on sale, and those whose last unpaid orders have not ended yet.
pub(super) async fn on_sale(database: &Database, limit: u32) -> Result<Vec<SessionId>, Problem> {
    let sessions = sqlx::query_scalar(include_str!("sql/on_sale.sql")).bind(Millis::now().0).bind(limit);
    Ok(sessions.fetch_all(&database.read).await?)
}

/// Whether there is such a session.
pub(super) async fn exists(database: &Database, session: SessionId) -> Result<bool, Problem> {
    let found = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM sessions WHERE id = ?1)").bind(session);
    Ok(found.fetch_one(&database.read).await?)
}
