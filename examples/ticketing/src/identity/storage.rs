//! Attendees in the database.

use aws_lc_rs::digest;
use nebula_tenant::TenantId;
use serde::Serialize;
use utoipa::ToSchema;

use super::{attendees::Attendee, grams, person::Person};
use crate::{
    ids::{OrderId, SeatPosition, SessionId, UserId},
    personal::{ATTENDEE, Vault},
    problem::{Code, Problem, Result},
    storage::{
        Connection, Database, Pool,
        sql::{Query, Row, Sql, query},
    },
};

/// Whether an authority said that name and document belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verified {
    /// It did.
    Yes,
    /// It is to be asked again.
    Later,
    /// It said that they do not, after the order was placed.
    No,
}

impl Verified {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Later => "later",
            Self::No => "no",
        }
    }

    fn of(name: &str) -> Self {
        match name {
            "yes" => Self::Yes,
            "no" => Self::No,
            _ => Self::Later,
        }
    }
}

/// Whose a seat is, as the database has it.
#[derive(Clone, Debug)]
pub(super) struct AttendeeRow {
    pub(super) order: OrderId,
    pub(super) position: SeatPosition,
    pub(super) merchant: TenantId,
    pub(super) sealed: String,
    pub(super) verified: Verified,
}

pub(super) fn attendee(row: &Row) -> Result<AttendeeRow> {
    Ok(AttendeeRow {
        order: row.get("order_id")?,
        position: row.get("position")?,
        merchant: row.get::<String>("tenant_id")?.parse().map_err(Problem::internal)?,
        sealed: row.get("person_sealed")?,
        verified: Verified::of(&row.get::<String>("verified")?),
    })
}

/// The name of a row, for which it is sealed.
pub(super) fn row(order: OrderId, position: SeatPosition) -> String {
    format!("{order}:{position}")
}

/// Writes down whose the seats of an order of this merchant are.
pub(crate) async fn insert(
    connection: &mut Connection<'_>,
    order: OrderId,
    merchant: &str,
    attendees: &[Attendee],
) -> Result<()> {
    for attendee in attendees {
        query(include_str!("sql/insert.sql"))
            .bind(order)
            .bind(attendee.position)
            .bind(merchant)
            .bind(&attendee.identity)
            .bind(&attendee.name)
            .bind(&attendee.number)
            .bind(&attendee.sealed)
            .bind(attendee.verified.as_str())
            .execute(&mut *connection)
            .await?;
    }
    let mut kept = Vec::new();
    for one in attendees {
        kept.extend(one.grams.iter().map(|gram| (one.position, gram.as_str())));
    }
    grams::insert(connection, order, merchant, &kept).await
}

/// Who was sealed for that seat, by the keys of the merchant.
pub(super) async fn person(vault: &Vault, order: OrderId, position: SeatPosition, sealed: &str) -> Result<Person> {
    Person::from_text(&vault.unseal(ATTENDEE, &row(order, position), sealed).await?)
}

/// Of an order.
pub(super) async fn of_order(pool: &Pool, order: OrderId) -> Result<Vec<AttendeeRow>> {
    let sql =
        "SELECT order_id, position, tenant_id, person_sealed, verified FROM all_order_attendees WHERE order_id = $1";
    query(sql).bind(order).fetch_all(pool).await?.iter().map(attendee).collect()
}

/// Of one seat.
pub(super) async fn of_seat(pool: &Pool, order: OrderId, position: SeatPosition) -> Result<Option<AttendeeRow>> {
    let sql = "SELECT order_id, position, tenant_id, person_sealed, verified FROM all_order_attendees \
               WHERE order_id = $1 AND position = $2";
    query(sql).bind(order).bind(position).fetch_optional(pool).await?.as_ref().map(attendee).transpose()
}

/// Of all tickets of a session.
pub(super) async fn of_session(pool: &Pool, session: SessionId) -> Result<Vec<AttendeeRow>> {
    query(include_str!("sql/of_session.sql")).bind(session).fetch_all(pool).await?.iter().map(attendee).collect()
}

/// Some of those that the authority has said nothing of, and whose orders it may still change, from one of them on.
pub(super) async fn unchecked(
    pool: &Pool,
    after: Option<(OrderId, SeatPosition)>,
    limit: u32,
) -> Result<Vec<AttendeeRow>> {
    let (order, position) =
        after.map_or((String::new(), -1), |(order, position)| (order.to_string(), i64::from(position)));
    query(include_str!("sql/unchecked.sql"))
        .bind(order)
        .bind(position)
        .bind(limit)
        .fetch_all(pool)
        .await?
        .iter()
        .map(attendee)
        .collect()
}

/// Writes down what it said of one of them; `false` when that was known.
pub(super) async fn judge(connection: &mut Connection<'_>, row: &AttendeeRow, verified: Verified) -> Result<bool> {
    let changed =
        query("UPDATE order_attendees SET verified = $1 WHERE order_id = $2 AND position = $3 AND verified = 'later'")
            .bind(verified.as_str())
            .bind(row.order)
            .bind(row.position)
            .execute(connection)
            .await?;
    Ok(changed == 1)
}

/// Remembers that it is written down by what parts somebody is found, wherever the order is now; whether it was news.
pub(super) async fn found_in_part(connection: &mut Connection<'_>, row: &AttendeeRow) -> Result<u64> {
    let mut news = 0;
    for change in [
        "UPDATE order_attendees SET has_grams = 1 WHERE order_id = $1 AND position = $2 AND has_grams = 0",
        "UPDATE archived_order_attendees SET has_grams = 1 WHERE order_id = $1 AND position = $2 AND has_grams = 0",
    ] {
        news += query(change).bind(row.order).bind(row.position).execute(&mut *connection).await?;
    }
    Ok(news)
}

/// Changes one row of a list, or says that there is none.
pub(crate) async fn changed_one(database: &Database, change: Query, what: &'static str) -> Result<()> {
    let changed = database
        .write
        .run::<_, Problem, _>(move |connection| Box::pin(async move { Ok(change.execute(connection).await?) }))
        .await?;
    if changed == 0 { Err(Problem::not_found(what)) } else { Ok(()) }
}

/// Whether a list of an account has room for one more; nobody else adds to it until the transaction ends.
pub(crate) async fn room(connection: &mut Connection<'_>, table: &'static str, user: UserId, most: i64) -> Result<()> {
    let name = digest::digest(&digest::SHA256, format!("{table}:{user}").as_bytes());
    let mut lock = [0; 8];
    lock.copy_from_slice(&name.as_ref()[..8]);
    connection.alone(i64::from_be_bytes(lock)).await?;
    let count = query(Sql::Built(format!("SELECT count(*) FROM {table} WHERE user_id = $1"))).bind(user);
    if count.scalar::<i64>(connection).await? >= most {
        let detail = format!("This list has room for {most}: take something away first.");
        return Err(Problem::new(Code::ListFull, detail).with("limit", most));
    }
    Ok(())
}
