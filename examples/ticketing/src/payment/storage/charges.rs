//! What providers took, one row for each movement of money.

use crate::{
    clock::Millis,
    ids::{OrderId, PaymentId},
    money::Money,
    order::storage::money,
    payment::storage::PaymentRow,
    problem::Result,
    storage::{
        Connection,
        sql::{Row, Target, query},
    },
};

/// A charge as the database has it.
#[derive(Clone, Debug)]
pub struct ChargeRow {
    /// The provider's name for it.
    pub txn: String,
    /// The payment that it was made for.
    pub payment: PaymentId,
    /// The order that it was meant for.
    pub order: OrderId,
    /// How much.
    pub amount: Money,
}

fn charge(row: &Row) -> Result<ChargeRow> {
    Ok(ChargeRow {
        txn: row.get("txn")?,
        payment: row.get("payment_id")?,
        order: row.get("order_id")?,
        amount: money(row)?,
    })
}

/// Keeps a charge; nothing when it is known.
pub async fn insert(connection: &mut Connection<'_>, payment: &PaymentRow, txn: &str) -> Result<()> {
    query(include_str!("../sql/insert_charge.sql"))
        .bind(&payment.provider)
        .bind(txn)
        .bind(payment.id)
        .bind(payment.order)
        .bind(payment.amount.minor)
        .bind(payment.amount.currency.code())
        .bind(Millis::now().0)
        .execute(connection)
        .await?;
    Ok(())
}

/// One charge.
pub async fn find(executor: impl Into<Target<'_>>, provider: &str, txn: &str) -> Result<Option<ChargeRow>> {
    let sql = "SELECT * FROM all_charges WHERE provider = $1 AND txn = $2";
    query(sql).bind(provider).bind(txn).fetch_optional(executor).await?.as_ref().map(charge).transpose()
}

/// The charges that became known within this time, from the first instant up to the last one, which is not in it.
pub async fn between(
    executor: impl Into<Target<'_>>,
    provider: &str,
    (from, to): (Millis, Millis),
) -> Result<Vec<ChargeRow>> {
    query("SELECT * FROM all_charges WHERE provider = $1 AND at >= $2 AND at < $3 ORDER BY at, txn")
        .bind(provider)
        .bind(from.0)
        .bind(to.0)
        .fetch_all(executor)
        .await?
        .iter()
        .map(charge)
        .collect()
}
