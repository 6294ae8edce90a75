//! Refunds: one row for each request.

use nebula_tenant::TenantId;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Millis,
    ids::{OrderId, PaymentId, RefundId, UserId},
    merchant::Rows,
    money::Money,
    order::{OrderState, storage::money},
    outbox::{Notice, Refund, Topic},
    problem::{Problem, Result},
    storage::{
        Connection,
        sql::{Row, Sql, Target, query},
    },
};

/// Why money goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum RefundKind {
    /// A charge has no order: it came too late, twice, or for a seat that was sold. It goes back whole.
    Charge,
    /// Somebody asked for the money of an order.
    Order,
}

/// How far a refund is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum RefundState {
    /// Waits for somebody of the staff to agree.
    Requested,
    /// On its way to the provider, or waits for the provider's word.
    Pending,
    /// The provider has returned the money.
    Done,
    /// Refused, by the staff or by the provider; the row says why.
    Refused,
}

impl RefundState {
    const ALL: [Self; 4] = [Self::Requested, Self::Pending, Self::Done, Self::Refused];

    /// The name in the database and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "REQUESTED",
            Self::Pending => "PENDING",
            Self::Done => "DONE",
            Self::Refused => "REFUSED",
        }
    }

    fn from_name(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == name)
            .ok_or_else(|| Problem::internal(format!("the database has a refund in state `{name}`")))
    }
}

/// A refund as the database has it.
#[derive(Clone, Debug)]
pub struct RefundRow {
    /// The refund; the provider knows it by this.
    pub id: RefundId,
    /// Why.
    pub kind: RefundKind,
    /// The payment whose money goes back.
    pub payment: PaymentId,
    /// The order that it was meant for.
    pub order: OrderId,
    /// The charge that is returned.
    pub txn: String,
    /// How much goes back.
    pub amount: Money,
    /// How much is kept.
    pub fee: Money,
    /// Why, in words.
    pub reason: String,
    /// How far it is.
    pub state: RefundState,
    /// Who asked; nobody when the platform found out by itself.
    pub asked_by: Option<UserId>,
    /// What the order goes back to when the refund is refused.
    pub from: Option<OrderState>,
    /// Why it was refused.
    pub note: Option<String>,
    /// When it was asked for.
    pub created_at: Millis,
}

impl RefundRow {
    /// The message that sends it to the provider.
    pub(crate) fn message(&self) -> Refund {
        Refund { refund: self.id.to_string() }
    }

    /// What its buyer is told of it.
    pub(crate) const fn notice(&self, topic: Topic) -> Notice {
        Notice::refund(self.order, self.id, topic)
    }
}

fn refund(row: &Row) -> Result<RefundRow> {
    let amount = money(row)?;
    let from: Option<String> = row.get("from_state")?;
    Ok(RefundRow {
        id: row.get("id")?,
        kind: if row.get::<String>("kind")? == "ORDER" { RefundKind::Order } else { RefundKind::Charge },
        payment: row.get("payment_id")?,
        order: row.get("order_id")?,
        txn: row.get("provider_txn")?,
        fee: Money { minor: row.get("fee_minor")?, ..amount },
        amount,
        reason: row.get("reason")?,
        state: RefundState::from_name(&row.get::<String>("state")?)?,
        asked_by: row.get::<Option<String>>("asked_by")?.map(|id| id.parse()).transpose().map_err(Problem::internal)?,
        from: from.as_deref().and_then(OrderState::from_name),
        note: row.get("note")?,
        created_at: Millis(row.get("created_at")?),
    })
}

/// Writes a request; `false` when there is one already.
pub async fn insert(connection: &mut Connection<'_>, refund: &RefundRow) -> Result<bool> {
    let kind = if refund.kind == RefundKind::Order { "ORDER" } else { "CHARGE" };
    let inserted = query(include_str!("../sql/insert_refund.sql"))
        .bind(refund.id)
        .bind(kind)
        .bind(refund.payment)
        .bind(refund.order)
        .bind(&refund.txn)
        .bind(refund.amount.minor)
        .bind(refund.fee.minor)
        .bind(refund.amount.currency.code())
        .bind(&refund.reason)
        .bind(refund.state.as_str())
        .bind(refund.asked_by)
        .bind(refund.from.map(OrderState::as_str))
        .bind(refund.created_at.0)
        .execute(connection)
        .await?;
    Ok(inserted == 1)
}

/// One refund. Messages of an earlier version named the charge instead: that is found as well.
pub async fn find(executor: impl Into<Target<'_>>, id: &str) -> Result<Option<RefundRow>> {
    let sql = "SELECT * FROM all_refunds WHERE id = $1 OR (kind = 'CHARGE' AND provider_txn = $1)";
    query(sql).bind(id).fetch_optional(executor).await?.as_ref().map(refund).transpose()
}

/// The refunds of an order, oldest first.
pub async fn of_order(executor: impl Into<Target<'_>>, order: OrderId) -> Result<Vec<RefundRow>> {
    query("SELECT * FROM all_refunds WHERE order_id = $1 ORDER BY created_at, id")
        .bind(order)
        .fetch_all(executor)
        .await?
        .iter()
        .map(refund)
        .collect()
}

/// The newest refunds of these merchants' orders in this state, or in any, each with its merchant.
pub async fn newest(
    executor: impl Into<Target<'_>>,
    rows: &Rows,
    state: Option<RefundState>,
    limit: u32,
) -> Result<Vec<(RefundRow, TenantId)>> {
    let merchants = rows.condition("orders.tenant_id", 3);
    let sql = format!(include_str!("../sql/newest_refunds.sql"), merchants = merchants);
    rows.bind(query(Sql::Built(sql)).bind(state.map_or("", RefundState::as_str)).bind(limit))
        .fetch_all(executor)
        .await?
        .iter()
        .map(|row| Ok((refund(row)?, row.get::<String>("tenant_id")?.parse().map_err(Problem::internal)?)))
        .collect()
}

/// Moves a refund from one state to another; `false` when it is in neither.
pub async fn transition(
    connection: &mut Connection<'_>,
    id: RefundId,
    from: RefundState,
    to: RefundState,
    note: Option<&str>,
) -> Result<bool> {
    let changed =
        query("UPDATE refunds SET state = $1, note = coalesce($2, note), updated_at = $3 WHERE id = $4 AND state = $5")
            .bind(to.as_str())
            .bind(note)
            .bind(Millis::now().0)
            .bind(id)
            .bind(from.as_str())
            .execute(connection)
            .await?;
    Ok(changed == 1)
}

/// Refunds that nobody has heard of since `before`, oldest first.
pub async fn silent(executor: impl Into<Target<'_>>, before: Millis, limit: u32) -> Result<Vec<RefundId>> {
    const SQL: &str = "SELECT id FROM refunds WHERE state = 'PENDING' AND updated_at < $1 ORDER BY updated_at LIMIT $2";
    Ok(query(Sql::from(SQL)).bind(before.0).bind(limit).scalars(executor).await?)
}

/// The refunds that a provider finished within this time, as [`charges::between`](super::charges::between) counts it.
pub async fn done_between(
    executor: impl Into<Target<'_>>,
    provider: &str,
    (from, to): (Millis, Millis),
) -> Result<Vec<RefundRow>> {
    query(include_str!("../sql/refunds_done.sql"))
        .bind(provider)
        .bind(from.0)
        .bind(to.0)
        .fetch_all(executor)
        .await?
        .iter()
        .map(refund)
        .collect()
}
