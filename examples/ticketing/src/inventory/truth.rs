//! What the database says about the seats of a session.

use std::collections::{HashMap, HashSet};

use super::{ImageOrder, LedgerImage};
use crate::{
    clock::Millis,
    ids::{OrderId, SessionId, UserId},
    problem::Problem,
    storage::{Connection, Database, sql::query},
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
    connection: &mut Connection<'_>,
    session: SessionId,
    at_least: i64,
) -> Result<Option<Generation>, Problem> {
    let row = query(include_str!("sql/open_epoch.sql")).bind(session).bind(at_least).fetch_optional(connection).await?;
    row.map(|row| {
        let (epoch, seats_per_user) = (row.get("ledger_epoch")?, row.get("seats_per_user")?);
        Ok(Generation { epoch, seats_per_user, seats: row.get("seats")? })
    })
    .transpose()
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
    let rows = query(include_str!("sql/image.sql")).bind(session).fetch_all(&database.read).await?;
    let mut orders: HashMap<(OrderId, bool), ImageOrder> = HashMap::new();
    for row in rows {
        let (order, user, sold): (OrderId, UserId, bool) = (row.get("id")?, row.get("buyer")?, row.get("sold")?);
        let entry = orders.entry((order, sold)).or_insert_with(|| ImageOrder { order, user, seats: Vec::new(), sold });
        entry.seats.push(row.get("position")?);
    }
    let Generation { epoch, seats_per_user, seats } = generation;
    Ok(LedgerImage { epoch, seats, seats_per_user, orders: orders.into_values().collect() })
}

/// Orders of the session that hold seats and are not paid.
pub(super) async fn live(database: &Database, session: SessionId) -> Result<HashSet<OrderId>, Problem> {
    let live: Vec<OrderId> = query(include_str!("sql/live.sql")).bind(session).scalars(&database.read).await?;
    Ok(live.into_iter().collect())
}

/// Whether the order owns sold seats.
pub(super) async fn is_sold(database: &Database, order: OrderId) -> Result<bool, Problem> {
    Ok(query(include_str!("sql/sold.sql")).bind(order).scalar(&database.read).await?)
}

/// Sessions on sale, and those whose last unpaid orders have not ended yet.
pub(super) async fn on_sale(database: &Database, limit: u32) -> Result<Vec<SessionId>, Problem> {
    let sessions = query(include_str!("sql/on_sale.sql")).bind(Millis::now().0).bind(limit);
    Ok(sessions.scalars(&database.read).await?)
}

/// All sessions whose seats may still change: holds and orders outlive the end of a sale by as long as one may take to pay.
pub(crate) async fn unsettled(database: &Database) -> Result<Vec<SessionId>, Problem> {
    let sessions = query(include_str!("sql/unsettled.sql")).bind(Millis::now().0);
    Ok(sessions.scalars(&database.read).await?)
}

/// Whether there is such a session.
pub(super) async fn exists(database: &Database, session: SessionId) -> Result<bool, Problem> {
    let found = query("SELECT EXISTS (SELECT 1 FROM sessions WHERE id = $1)").bind(session);
    Ok(found.scalar(&database.read).await?)
}
