//! Payments, what was charged, and refunds in the database.

pub mod charges;
pub mod refunds;

use serde::Serialize;

use crate::{
    clock::Millis,
    ids::{OrderId, PaymentId},
    money::Money,
    order::storage::money,
    problem::{Problem, Result},
    storage::{
        Connection,
        sql::{Row, Target, query},
    },
};

/// State of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum PaymentState {
    /// Begun; the provider has not said how it ended.
    Pending,
    /// The provider has the money.
    Succeeded,
    /// The provider or the bank refused.
    Failed,
    /// Closed unpaid at the provider.
    Closed,
}

impl PaymentState {
    const ALL: [Self; 4] = [Self::Pending, Self::Succeeded, Self::Failed, Self::Closed];

    /// The name in the database and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Closed => "CLOSED",
        }
    }
}

/// A payment as the database has it.
#[derive(Clone, Debug)]
pub struct PaymentRow {
    /// The payment.
    pub id: PaymentId,
    /// What it pays for.
    pub order: OrderId,
    /// How it stands.
    pub state: PaymentState,
    /// At which provider.
    pub provider: String,
    /// How much.
    pub amount: Money,
    /// The provider's name for the movement of money, once there was one.
    pub txn: Option<String>,
}

fn payment(row: &Row) -> Result<PaymentRow> {
    let name: String = row.get("state")?;
    let state = PaymentState::ALL
        .into_iter()
        .find(|state| state.as_str() == name)
        .ok_or_else(|| Problem::internal(format!("the database has a payment in state `{name}`")))?;
    Ok(PaymentRow {
        id: row.get("id")?,
        order: row.get("order_id")?,
        state,
        provider: row.get("provider")?,
        amount: money(row)?,
        txn: row.get("provider_txn")?,
    })
}

/// One payment.
pub async fn find(executor: impl Into<Target<'_>>, id: PaymentId) -> Result<Option<PaymentRow>> {
    let row = query("SELECT * FROM all_payments WHERE id = $1").bind(id).fetch_optional(executor).await?;
    row.as_ref().map(payment).transpose()
}

/// The payments of an order, newest first.
pub async fn of_order(executor: impl Into<Target<'_>>, order: OrderId) -> Result<Vec<PaymentRow>> {
    query("SELECT * FROM all_payments WHERE order_id = $1 ORDER BY created_at DESC, id DESC")
        .bind(order)
        .fetch_all(executor)
        .await?
        .iter()
        .map(payment)
        .collect()
}

/// Begins a payment.
pub async fn insert(
    connection: &mut Connection<'_>,
    id: PaymentId,
    order: OrderId,
    provider: &str,
    amount: Money,
) -> Result<()> {
    query(include_str!("../sql/insert_payment.sql"))
        .bind(id)
        .bind(order)
        .bind(provider)
        .bind(amount.minor)
        .bind(amount.currency.code())
        .bind(Millis::now().0)
        .execute(connection)
        .await?;
    Ok(())
}

/// Ends a payment. A success is kept whatever was thought before: the provider has the money.
pub async fn settle(
    connection: &mut Connection<'_>,
    id: PaymentId,
    state: PaymentState,
    txn: Option<&str>,
) -> Result<()> {
    query(include_str!("../sql/settle_payment.sql"))
        .bind(state.as_str())
        .bind(txn)
        .bind(Millis::now().0)
        .bind(id)
        .execute(connection)
        .await?;
    Ok(())
}

/// Remembers a notification; `false` when it was seen before.
pub async fn remember_notification(connection: &mut Connection<'_>, id: &str) -> Result<bool> {
    let inserted = query("INSERT INTO payment_notifications (id, at) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind(id)
        .bind(Millis::now().0)
        .execute(connection)
        .await?;
    Ok(inserted == 1)
}

/// Forgets notifications that are too old to be accepted again anyway.
pub async fn forget_notifications(connection: &mut Connection<'_>, before: Millis) -> Result<()> {
    query("DELETE FROM payment_notifications WHERE at < $1").bind(before.0).execute(connection).await?;
    Ok(())
}

/// Writes the unique rows that make seats sold; `false`, and nothing written, when one of them is sold already.
pub async fn insert_sold(connection: &mut Connection<'_>, order: OrderId) -> Result<bool> {
    let seats: u32 =
        query("SELECT count(*) FROM order_seats WHERE order_id = $1").bind(order).scalar(&mut *connection).await?;
    let written = query(include_str!("../sql/insert_sold.sql"))
        .bind(order)
        .bind(Millis::now().0)
        .execute(&mut *connection)
        .await?;
    if written == u64::from(seats) {
        return Ok(true);
    }
    delete_sold(connection, order).await?;
    Ok(false)
}

/// Removes those rows: the seats of a refunded order may be sold again.
pub async fn delete_sold(connection: &mut Connection<'_>, order: OrderId) -> Result<()> {
    query("DELETE FROM sold_seats WHERE order_id = $1").bind(order).execute(connection).await?;
    Ok(())
}
