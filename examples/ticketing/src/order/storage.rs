//! Orders in the database. Everything that changes one runs inside a transaction of the [`crate::storage::Writer`].

use super::domain::OrderState;
use crate::{
    clock::Millis,
    ids::{OrderId, SeatPosition, SessionId, UserId},
    money::{Currency, Money},
    outbox::{Follow, Step},
    problem::{Problem, Result},
    show::PricedSeat,
    storage::{
        Connection, Pool,
        sql::{Query, Row, Sql, Target, query},
    },
};

/// An order as the database has it.
#[derive(Clone, Debug)]
pub struct OrderRow {
    /// The order.
    pub id: OrderId,
    /// The buyer.
    pub user: UserId,
    /// The session whose seats it has.
    pub session: SessionId,
    /// Its state.
    pub state: OrderState,
    /// What it costs.
    pub total: Money,
    /// What the buyer asked for.
    pub fingerprint: String,
    /// When it was placed.
    pub created_at: Millis,
    /// When an unpaid one ends.
    pub expires_at: Millis,
    /// When it was archived, if it was.
    pub archived_at: Option<Millis>,
}

impl OrderRow {
    /// The message by which the ledger follows this order.
    pub(crate) const fn follow(&self, step: Step) -> Follow {
        Follow { session: self.session, order: self.id, step }
    }
}

/// A seat of an order.
#[derive(Clone, Debug)]
pub struct OrderSeat {
    /// The seat.
    pub position: SeatPosition,
    /// Its name in the plan.
    pub guid: String,
    /// Its category when it was ordered.
    pub category: String,
    /// Its price when it was ordered.
    pub price: Money,
}

impl From<&PricedSeat<'_>> for OrderSeat {
    fn from(seat: &PricedSeat<'_>) -> Self {
        Self {
            position: seat.position,
            guid: seat.seat.guid.to_string(),
            category: seat.seat.category.to_string(),
            price: seat.price,
        }
    }
}

/// An entry of an order's history.
#[derive(Clone, Debug)]
pub struct HistoryRow {
    /// What the order became.
    pub state: OrderState,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Millis,
}

fn state(row: &Row, column: &'static str) -> Result<OrderState> {
    let name: String = row.get(column)?;
    OrderState::from_name(&name)
        .ok_or_else(|| Problem::internal(format!("the database has an order in state `{name}`")))
}

/// Reads minor units and a currency code from two columns.
pub(crate) fn money(row: &Row) -> Result<Money> {
    let code: String = row.get("currency")?;
    let currency = Currency::from_code(&code)
        .ok_or_else(|| Problem::internal(format!("the database has an amount in currency `{code}`")))?;
    Ok(Money { minor: row.get("minor")?, currency })
}

/// Reads a row that has all columns of an order.
pub(super) fn order(row: &Row) -> Result<OrderRow> {
    Ok(OrderRow {
        archived_at: None,
        id: row.get("id")?,
        user: row.get("user_id")?,
        session: row.get("session_id")?,
        state: state(row, "state")?,
        total: money(row)?,
        fingerprint: row.get("fingerprint")?,
        created_at: Millis(row.get("created_at")?),
        expires_at: Millis(row.get("expires_at")?),
    })
}

/// Reads the same, and when it was archived.
pub(super) fn any_order(row: &Row) -> Result<OrderRow> {
    let archived_at = row.get::<Option<i64>>("archived_at")?.map(Millis);
    Ok(OrderRow { archived_at, ..order(row)? })
}

/// One order, in the archive as well: for whoever reads.
pub async fn find_any(executor: impl Into<Target<'_>>, id: OrderId) -> Result<Option<OrderRow>> {
    let row = query("SELECT * FROM all_orders WHERE id = $1").bind(id).fetch_optional(executor).await?;
    row.as_ref().map(any_order).transpose()
}

/// One order that is not archived: one that may change.
pub async fn find(executor: impl Into<Target<'_>>, id: OrderId) -> Result<Option<OrderRow>> {
    let row = query("SELECT * FROM orders WHERE id = $1").bind(id).fetch_optional(executor).await?;
    row.as_ref().map(order).transpose()
}

/// One order, which nobody else changes until the transaction ends.
pub async fn lock(connection: &mut Connection<'_>, id: OrderId) -> Result<Option<OrderRow>> {
    // On SQLite, whoever writes is alone.
    const SQL: Sql = Sql::Each {
        sqlite: "SELECT * FROM orders WHERE id = $1",
        postgres: "SELECT * FROM orders WHERE id = $1 FOR UPDATE",
    };
    let row = query(SQL).bind(id).fetch_optional(connection).await?;
    row.as_ref().map(order).transpose()
}

/// Where a page of orders begins that are listed newest first.
pub(super) fn after(last: Option<&OrderRow>) -> (i64, String) {
    last.map_or((i64::MAX, String::new()), |order| (order.created_at.0, order.id.to_string()))
}

/// The orders of a user, archived ones as well, newest first, those before `before` if given.
pub async fn list(pool: &Pool, user: UserId, before: Option<&OrderRow>, limit: u32) -> Result<Vec<OrderRow>> {
    let (at, id) = after(before);
    query(include_str!("sql/list.sql"))
        .bind(user)
        .bind(at)
        .bind(id)
        .bind(limit)
        .fetch_all(pool)
        .await?
        .iter()
        .map(any_order)
        .collect()
}

/// The seats of an order, by position.
pub async fn seats(executor: impl Into<Target<'_>>, order: &OrderRow) -> Result<Vec<OrderSeat>> {
    query("SELECT position, guid, category, minor FROM all_order_seats WHERE order_id = $1 ORDER BY position")
        .bind(order.id)
        .fetch_all(executor)
        .await?
        .iter()
        .map(|row| {
            Ok(OrderSeat {
                position: row.get("position")?,
                guid: row.get("guid")?,
                category: row.get("category")?,
                price: Money { minor: row.get("minor")?, currency: order.total.currency },
            })
        })
        .collect()
}

/// The history of an order, oldest first.
pub async fn history(pool: &Pool, id: OrderId) -> Result<Vec<HistoryRow>> {
    query("SELECT to_state, reason, at FROM all_order_history WHERE order_id = $1 ORDER BY version")
        .bind(id)
        .fetch_all(pool)
        .await?
        .iter()
        .map(|row| {
            Ok(HistoryRow { state: state(row, "to_state")?, reason: row.get("reason")?, at: Millis(row.get("at")?) })
        })
        .collect()
}

/// How an insert ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// The order is in the database.
    New,
    /// An order of this id was there already.
    Exists,
    /// The hold was taken under an epoch of the ledger that has passed: it is void.
    EpochPassed,
}

/// The parameters of so many rows of `columns`, the first of which is number `first`: `($1, $2), ($3, $4)`.
fn rows(count: usize, columns: usize, first: usize) -> String {
    let row = |row: usize| {
        let names: Vec<String> = (0..columns).map(|column| format!("${}", first + row * columns + column)).collect();
        format!("({})", names.join(", "))
    };
    (0..count).map(row).collect::<Vec<_>>().join(", ")
}

/// Why an order begins.
const HELD: &str = "seats held";

/// Adds an order in state LOCKED, if its hold still counts.
pub async fn insert(
    connection: &mut Connection<'_>,
    order: &OrderRow,
    seats: &[OrderSeat],
    epoch: i64,
) -> Result<Inserted> {
    let inserted = match connection {
        Connection::Sqlite(_) => insert_in_turn(connection, order, seats, epoch).await?,
        Connection::Postgres(_) => insert_at_once(connection, order, seats, epoch).await?,
    };
    if inserted {
        return Ok(Inserted::New);
    }
    let exists: bool =
        query("SELECT EXISTS (SELECT 1 FROM orders WHERE id = $1)").bind(order.id).scalar(connection).await?;
    Ok(if exists { Inserted::Exists } else { Inserted::EpochPassed })
}

/// In one statement: each is a way to the server and back.
async fn insert_at_once(
    connection: &mut Connection<'_>,
    order: &OrderRow,
    seats: &[OrderSeat],
    epoch: i64,
) -> Result<bool> {
    let sql = include_str!("sql/insert.postgres.sql").replace("{seats}", &rows(seats.len(), 4, 13));
    let mut insert = order_of(Sql::Built(sql), order, epoch).bind(OrderState::Init.as_str()).bind(HELD);
    for seat in seats {
        insert = insert.bind(seat.position).bind(&seat.guid).bind(&seat.category).bind(seat.price.minor);
    }
    Ok(insert.scalar::<i64>(connection).await? == 1)
}

/// SQLite has no statement that writes into several tables.
async fn insert_in_turn(
    connection: &mut Connection<'_>,
    order: &OrderRow,
    seats: &[OrderSeat],
    epoch: i64,
) -> Result<bool> {
    let insert = order_of(include_str!("sql/insert.sqlite.sql").into(), order, epoch);
    if insert.execute(&mut *connection).await? == 0 {
        return Ok(false);
    }
    let rows = rows(seats.len(), 5, 1);
    let sql = format!("INSERT INTO order_seats (order_id, position, guid, category, minor) VALUES {rows}");
    let mut insert = query(Sql::Built(sql));
    for seat in seats {
        insert = insert.bind(order.id).bind(seat.position).bind(&seat.guid).bind(&seat.category).bind(seat.price.minor);
    }
    insert.execute(&mut *connection).await?;
    record(connection, order.id, 1, Some(OrderState::Init), order.state, HELD, order.created_at).await?;
    Ok(true)
}

fn order_of(insert: Sql, order: &OrderRow, epoch: i64) -> Query {
    query(insert)
        .bind(order.id)
        .bind(order.user)
        .bind(order.session)
        .bind(order.state.as_str())
        .bind(order.total.minor)
        .bind(order.total.currency.code())
        .bind(&order.fingerprint)
        .bind(epoch)
        .bind(order.created_at.0)
        .bind(order.expires_at.0)
}

/// Moves an order from `from` to `to`; `false` when it is in another state.
pub async fn transition(
    connection: &mut Connection<'_>,
    id: OrderId,
    from: OrderState,
    to: OrderState,
    reason: &str,
) -> Result<bool> {
    if !from.may_become(to) {
        return Err(Problem::internal(format!("no order goes from {} to {}", from.as_str(), to.as_str())));
    }
    let now = Millis::now();
    let version: Option<i64> = query(include_str!("sql/transition.sql"))
        .bind(to.as_str())
        .bind(now.0)
        .bind(id)
        .bind(from.as_str())
        .scalar_optional(&mut *connection)
        .await?;
    let Some(version) = version else { return Ok(false) };
    record(connection, id, version, Some(from), to, reason, now).await?;
    Ok(true)
}

async fn record(
    connection: &mut Connection<'_>,
    id: OrderId,
    version: i64,
    from: Option<OrderState>,
    to: OrderState,
    reason: &str,
    at: Millis,
) -> Result<()> {
    query(include_str!("sql/record.sql"))
        .bind(id)
        .bind(version)
        .bind(from.map(OrderState::as_str))
        .bind(to.as_str())
        .bind(reason)
        .bind(at.0)
        .execute(connection)
        .await?;
    Ok(())
}
