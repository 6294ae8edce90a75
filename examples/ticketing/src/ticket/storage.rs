//! Tickets in the database.

use serde::Serialize;

use crate::{
    clock::Millis,
    ids::{OrderId, SeatPosition, SessionId, TicketId, UserId},
    problem::{Problem, Result},
    storage::{
        Connection, Pool,
        sql::{Row, Target, query},
    },
};

/// State of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum TicketState {
    /// It opens the door.
    Valid,
    /// It has opened the door.
    Used,
    /// Its money goes back, or went back.
    Void,
}

impl TicketState {
    fn from_name(name: &str) -> Result<Self> {
        match name {
            "VALID" => Ok(Self::Valid),
            "USED" => Ok(Self::Used),
            "VOID" => Ok(Self::Void),
            _ => Err(Problem::internal(format!("the database has a ticket in state `{name}`"))),
        }
    }
}

/// A ticket as the database has it.
#[derive(Clone, Debug)]
pub struct TicketRow {
    /// The ticket.
    pub id: TicketId,
    /// The order that it belongs to.
    pub order: OrderId,
    /// The session that it is for.
    pub session: SessionId,
    /// The seat.
    pub position: SeatPosition,
    /// Whether it opens the door.
    pub state: TicketState,
    /// When it did.
    pub used_at: Option<Millis>,
    /// Where it did.
    pub used_gate: Option<String>,
}

fn ticket(row: &Row) -> Result<TicketRow> {
    Ok(TicketRow {
        id: row.get("id")?,
        order: row.get("order_id")?,
        session: row.get("session_id")?,
        position: row.get("position")?,
        state: TicketState::from_name(&row.get::<String>("state")?)?,
        used_at: row.get::<Option<i64>>("used_at")?.map(Millis),
        used_gate: row.get("used_gate")?,
    })
}

/// Writes one ticket for each seat of an order; those that are there stay.
pub async fn issue(connection: &mut Connection<'_>, order: OrderId) -> Result<()> {
    let seats = query(include_str!("sql/unissued.sql")).bind(order).fetch_all(&mut *connection).await?;
    for seat in seats {
        query(include_str!("sql/insert.sql"))
            .bind(TicketId::new())
            .bind(order)
            .bind(seat.get::<SessionId>("session_id")?)
            .bind(seat.get::<u32>("position")?)
            .bind(Millis::now().0)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// The tickets of an order, by seat.
pub async fn of_order(executor: impl Into<Target<'_>>, order: OrderId) -> Result<Vec<TicketRow>> {
    let sql = "SELECT * FROM all_tickets WHERE order_id = $1 ORDER BY position";
    query(sql).bind(order).fetch_all(executor).await?.iter().map(ticket).collect()
}

/// The tickets of a session, by seat.
pub async fn of_session(pool: &Pool, session: SessionId) -> Result<Vec<TicketRow>> {
    let sql = "SELECT * FROM all_tickets WHERE session_id = $1 ORDER BY position, issued_at";
    query(sql).bind(session).fetch_all(pool).await?.iter().map(ticket).collect()
}

/// One ticket.
pub async fn find(executor: impl Into<Target<'_>>, id: TicketId) -> Result<Option<TicketRow>> {
    let row = query("SELECT * FROM all_tickets WHERE id = $1").bind(id).fetch_optional(executor).await?;
    row.as_ref().map(ticket).transpose()
}

/// Shuts the door for all tickets of an order; `false` when somebody has gone in already: then undo the transaction.
pub async fn void(connection: &mut Connection<'_>, order: OrderId) -> Result<bool> {
    // Whoever is at the door at this moment comes before or after this, and the count tells which.
    query("UPDATE tickets SET state = 'VOID' WHERE order_id = $1 AND state = 'VALID'")
        .bind(order)
        .execute(&mut *connection)
        .await?;
    let used: bool = query("SELECT EXISTS (SELECT 1 FROM tickets WHERE order_id = $1 AND state = 'USED')")
        .bind(order)
        .scalar(connection)
        .await?;
    Ok(!used)
}

/// Takes that back.
pub async fn restore(connection: &mut Connection<'_>, order: OrderId) -> Result<()> {
    query("UPDATE tickets SET state = 'VALID' WHERE order_id = $1 AND state = 'VOID'")
        .bind(order)
        .execute(connection)
        .await?;
    Ok(())
}

/// Lets somebody in, if the ticket is for this session and nobody went in with it: one statement, so that of two doors
/// one does.
pub async fn admit(
    connection: &mut Connection<'_>,
    id: TicketId,
    session: SessionId,
    gate: &str,
    at: Millis,
) -> Result<bool> {
    let changed =
        query(include_str!("sql/admit.sql")).bind(at.0).bind(gate).bind(id).bind(session).execute(connection).await?;
    Ok(changed == 1)
}

/// Tickets of a session by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct DoorCounts {
    /// Still to come.
    pub valid: u32,
    /// Inside.
    pub used: u32,
    /// Refunded, or about to be.
    pub void: u32,
}

/// Counts the tickets of a session.
pub async fn counts(pool: &Pool, session: SessionId) -> Result<DoorCounts> {
    let rows = query("SELECT state, count(*) AS tickets FROM all_tickets WHERE session_id = $1 GROUP BY state")
        .bind(session)
        .fetch_all(pool)
        .await?;
    let mut counts = DoorCounts::default();
    for row in rows {
        let tickets = row.get("tickets")?;
        match TicketState::from_name(&row.get::<String>("state")?)? {
            TicketState::Valid => counts.valid = tickets,
            TicketState::Used => counts.used = tickets,
            TicketState::Void => counts.void = tickets,
        }
    }
    Ok(counts)
}

/// A line of the scanners' log.
#[derive(Clone, Debug)]
pub struct ScanRow {
    /// Named by the device.
    pub id: String,
    /// At which session.
    pub session: SessionId,
    /// The ticket, if the code was one of ours.
    pub ticket: Option<TicketId>,
    /// What was answered.
    pub result: String,
    /// Where.
    pub gate: String,
    /// Who held the scanner.
    pub staff: UserId,
    /// When, by the device's clock.
    pub at: Millis,
}

/// Writes a line of the log.
pub async fn log(connection: &mut Connection<'_>, scan: &ScanRow) -> Result<()> {
    query(include_str!("sql/log.sql"))
        .bind(&scan.id)
        .bind(scan.session)
        .bind(scan.ticket)
        .bind(&scan.result)
        .bind(&scan.gate)
        .bind(scan.staff)
        .bind(scan.at.0)
        .bind(Millis::now().0)
        .execute(connection)
        .await?;
    Ok(())
}

/// What was answered to this scan before.
pub async fn logged(connection: &mut Connection<'_>, id: &str) -> Result<Option<String>> {
    Ok(query("SELECT result FROM all_ticket_scans WHERE id = $1").bind(id).scalar_optional(connection).await?)
}

/// Paid orders that have waited for their tickets since `before`, oldest first.
pub async fn unissued(pool: &Pool, before: Millis, limit: u32) -> Result<Vec<OrderId>> {
    let sql = "SELECT id FROM orders WHERE state = 'PAID' AND updated_at < $1 ORDER BY updated_at LIMIT $2";
    Ok(query(sql).bind(before.0).bind(limit).scalars(pool).await?)
}

/// Orders with tickets whose show began before `before`.
pub async fn over(pool: &Pool, before: Millis, limit: u32) -> Result<Vec<OrderId>> {
    Ok(query(include_str!("sql/over.sql")).bind(before.0).bind(limit).scalars(pool).await?)
}
