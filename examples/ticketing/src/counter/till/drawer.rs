//! A till: opened with some money in it, counted once, and closed by somebody else than whoever took the money.

use jiff::civil::Date;

use super::report;
use crate::{
    clock::Millis,
    day,
    ids::UserId,
    money::{Currency, Money},
    problem::{Code, Problem, Result},
    storage::{
        Connection,
        sql::{Row, Sql, query},
    },
};

/// Which till.
#[derive(Clone, Debug)]
pub(in crate::counter) struct Key {
    pub(in crate::counter) merchant: String,
    pub(in crate::counter) clerk: UserId,
    pub(in crate::counter) day: Date,
    pub(in crate::counter) currency: Currency,
}

/// A till as the database has it.
#[derive(Clone, Debug)]
pub(in crate::counter) struct Till {
    pub(in crate::counter) opening: i64,
    pub(in crate::counter) closing: Option<Closing>,
}

/// How a till was closed.
#[derive(Clone, Debug)]
pub(in crate::counter) struct Closing {
    pub(in crate::counter) expected: i64,
    pub(in crate::counter) counted: i64,
    pub(in crate::counter) note: Option<String>,
    pub(in crate::counter) by: UserId,
    pub(in crate::counter) at: Millis,
}

impl Till {
    pub(super) fn read(row: &Row) -> Result<Self> {
        let closing = match row.get::<Option<i64>>("closed_at")? {
            None => None,
            Some(at) => Some(Closing {
                expected: row.get::<Option<i64>>("expected")?.unwrap_or_default(),
                counted: row.get::<Option<i64>>("counted")?.unwrap_or_default(),
                note: row.get("note")?,
                by: row.get::<Option<String>>("closed_by")?.unwrap_or_default().parse().map_err(Problem::internal)?,
                at: Millis(at),
            }),
        };
        Ok(Self { opening: row.get("opening")?, closing })
    }
}

/// The till, which nobody else changes until the transaction ends; if it is not there, it is made, and empty.
pub(in crate::counter) async fn lock(connection: &mut Connection<'_>, key: &Key) -> Result<Till> {
    let make = "INSERT INTO tills (tenant_id, clerk_id, day, currency) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    bound(query(make), key).execute(&mut *connection).await?;
    found(connection, key).await?.ok_or_else(|| Problem::internal("a till vanished"))
}

async fn found(connection: &mut Connection<'_>, key: &Key) -> Result<Option<Till>> {
    const FIND: Sql = Sql::Each {
        sqlite: "SELECT * FROM tills WHERE tenant_id = $1 AND clerk_id = $2 AND day = $3 AND currency = $4",
        postgres: "SELECT * FROM tills WHERE tenant_id = $1 AND clerk_id = $2 AND day = $3 AND currency = $4 FOR UPDATE",
    };
    let row = bound(query(FIND), key).fetch_optional(connection).await?;
    row.as_ref().map(Till::read).transpose()
}

fn bound(query: crate::storage::sql::Query, key: &Key) -> crate::storage::sql::Query {
    query.bind(&key.merchant).bind(key.clerk).bind(key.day.to_string()).bind(key.currency.code())
}

/// The till of this clerk into which money may still go, from today on: what comes after the count is the next day's.
pub(in crate::counter) async fn open(
    connection: &mut Connection<'_>,
    merchant: &str,
    clerk: UserId,
    currency: Currency,
) -> Result<Key> {
    let mut key = Key { merchant: merchant.to_owned(), clerk, day: day::of(Millis::now())?, currency };
    while lock(connection, &key).await?.closing.is_some() {
        key.day = key.day.tomorrow().map_err(Problem::internal)?;
    }
    Ok(key)
}

/// Says what lies in a till before the first sale.
pub(super) async fn put_in(connection: &mut Connection<'_>, key: &Key, opening: Money) -> Result<()> {
    if lock(connection, key).await?.closing.is_some() {
        return Err(closed());
    }
    let change = "UPDATE tills SET opening = $5 WHERE tenant_id = $1 AND clerk_id = $2 AND day = $3 AND currency = $4";
    bound(query(change), key).bind(opening.minor).execute(connection).await?;
    Ok(())
}

/// Closes a till with what was counted in its drawer, once.
pub(super) async fn close(
    connection: &mut Connection<'_>,
    key: &Key,
    by: UserId,
    counted: Money,
    note: Option<String>,
) -> Result<()> {
    let till = found(connection, key).await?.ok_or_else(|| Problem::not_found("till"))?;
    if till.closing.is_some() {
        return Err(closed());
    }
    let moved = report::cash(connection, key).await?;
    let expected = till.opening.checked_add(moved).ok_or_else(|| Problem::internal("a till cannot be added up"))?;
    let change = "UPDATE tills SET expected = $5, counted = $6, note = $7, closed_by = $8, closed_at = $9 \
                  WHERE tenant_id = $1 AND clerk_id = $2 AND day = $3 AND currency = $4";
    bound(query(change), key)
        .bind(expected)
        .bind(counted.minor)
        .bind(note)
        .bind(by)
        .bind(Millis::now().0)
        .execute(connection)
        .await?;
    Ok(())
}

/// The till is counted: nothing goes into it or out of it any more.
pub(in crate::counter) fn closed() -> Problem {
    Problem::new(Code::TillClosed, "This till was counted and closed. Sell again tomorrow, or from another till.")
}
