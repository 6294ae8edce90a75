//! The journal: one row for each movement of money at a counter, never changed.

use crate::{
    clock::Millis,
    counter::domain::Method,
    ids::{OrderId, PaymentId, UserId},
    money::Money,
    order::{Channel, storage::money},
    problem::{Problem, Result},
    storage::{
        Connection, Pool,
        sql::{Row, Sql, Target, query},
    },
};

/// What moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::counter) enum Kind {
    Sale,
    Refund,
}

impl Kind {
    pub(in crate::counter) const fn as_str(self) -> &'static str {
        match self {
            Self::Sale => "SALE",
            Self::Refund => "REFUND",
        }
    }

    pub(in crate::counter) fn from_name(name: &str) -> Result<Self> {
        let known = [Self::Sale, Self::Refund].into_iter().find(|kind| kind.as_str() == name);
        known.ok_or_else(|| Problem::internal(format!("the journal of the tills has a `{name}`")))
    }
}

/// A movement of money.
#[derive(Clone, Debug)]
pub(in crate::counter) struct Entry {
    /// The payment, or the refund.
    pub(in crate::counter) id: String,
    pub(in crate::counter) kind: Kind,
    pub(in crate::counter) merchant: String,
    pub(in crate::counter) clerk: UserId,
    pub(in crate::counter) day: String,
    pub(in crate::counter) method: Method,
    pub(in crate::counter) order: OrderId,
    pub(in crate::counter) payment: PaymentId,
    pub(in crate::counter) amount: Money,
    pub(in crate::counter) channel: Channel,
    pub(in crate::counter) commission_bp: i64,
    pub(in crate::counter) reference: Option<String>,
}

impl Entry {
    /// What the payment provider of this method calls it.
    pub(in crate::counter) fn txn(&self) -> String {
        format!("{}-{}", self.method.as_str(), self.payment)
    }
}

fn read(row: &Row) -> Result<Entry> {
    let unknown = |what: &str| Problem::internal(format!("the journal of the tills has an unknown {what}"));
    Ok(Entry {
        id: row.get("id")?,
        kind: Kind::from_name(&row.get::<String>("kind")?)?,
        merchant: row.get("tenant_id")?,
        clerk: row.get("clerk_id")?,
        day: row.get("day")?,
        method: Method::from_name(&row.get::<String>("method")?).ok_or_else(|| unknown("method"))?,
        order: row.get("order_id")?,
        payment: row.get("payment_id")?,
        amount: money(row)?,
        channel: Channel::from_name(&row.get::<String>("channel")?).ok_or_else(|| unknown("channel"))?,
        commission_bp: row.get("commission_bp")?,
        reference: row.get("reference")?,
    })
}

/// Writes a movement down.
pub(in crate::counter) async fn write(connection: &mut Connection<'_>, entry: &Entry) -> Result<()> {
    query(include_str!("../sql/insert_entry.sql"))
        .bind(&entry.id)
        .bind(entry.kind.as_str())
        .bind(&entry.merchant)
        .bind(entry.clerk)
        .bind(&entry.day)
        .bind(entry.method.as_str())
        .bind(entry.order)
        .bind(entry.payment)
        .bind(entry.amount.minor)
        .bind(entry.amount.currency.code())
        .bind(entry.channel.as_str())
        .bind(entry.commission_bp)
        .bind(entry.reference.clone())
        .bind(Millis::now().0)
        .execute(connection)
        .await?;
    Ok(())
}

/// Whether that payment or refund stands there.
pub(in crate::counter) async fn is_written(target: impl Into<Target<'_>>, id: &str) -> Result<bool> {
    Ok(query("SELECT EXISTS (SELECT 1 FROM till_entries WHERE id = $1)").bind(id).scalar(target).await?)
}

/// The sale that a payment was for. Within a transaction nobody else gives money of it back meanwhile.
pub(in crate::counter) async fn sale_of(target: impl Into<Target<'_>>, payment: PaymentId) -> Result<Option<Entry>> {
    let sale = query("SELECT * FROM till_entries WHERE id = $1 AND kind = 'SALE'").bind(payment);
    sale.fetch_optional(target).await?.as_ref().map(read).transpose()
}

/// How much of a payment went back.
pub(in crate::counter) async fn refunded(connection: &mut Connection<'_>, payment: PaymentId) -> Result<i64> {
    // Whoever gives back has the sale alone.
    const ALONE: Sql = Sql::Each {
        sqlite: "SELECT id FROM till_entries WHERE id = $1",
        postgres: "SELECT id FROM till_entries WHERE id = $1 FOR UPDATE",
    };
    query(ALONE).bind(payment).fetch_optional(&mut *connection).await?;
    let sum =
        "SELECT CAST(coalesce(sum(minor), 0) AS BIGINT) FROM till_entries WHERE payment_id = $1 AND kind = 'REFUND'";
    Ok(query(sum).bind(payment).scalar(connection).await?)
}

/// What a method moved within this time.
pub(in crate::counter) async fn between(
    pool: &Pool,
    method: Method,
    (from, to): (Millis, Millis),
) -> Result<Vec<Entry>> {
    query("SELECT * FROM till_entries WHERE method = $1 AND at >= $2 AND at < $3 ORDER BY at, id")
        .bind(method.as_str())
        .bind(from.0)
        .bind(to.0)
        .fetch_all(pool)
        .await?
        .iter()
        .map(read)
        .collect()
}
