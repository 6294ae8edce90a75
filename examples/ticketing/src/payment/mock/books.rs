//! The provider's books.

use super::{NotificationBody, NotificationStatus};
use crate::{
    clock::Millis,
    ids::PaymentId,
    money::Money,
    order::storage::money,
    payment::provider::{Charge, ChargeState, RefundOrder, Returned, StatementEntry, StatementLine, Taken},
    problem::{Problem, Result},
    storage::{
        Connection, Database,
        sql::{Row, Target, query},
    },
};

#[derive(Clone, Debug)]
pub(super) struct Books {
    database: Database,
}

/// A charge in the books.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) amount: Money,
    pub(super) state: String,
    pub(super) txn: Option<String>,
}

impl Entry {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self { amount: money(row)?, state: row.get("state")?, txn: row.get("txn")? })
    }

    pub(super) fn charge_state(&self) -> ChargeState {
        match (self.state.as_str(), &self.txn) {
            ("PAID" | "REFUNDED", Some(txn)) => ChargeState::Paid(Taken { txn: txn.clone(), amount: self.amount }),
            ("DECLINED", _) => ChargeState::Declined,
            ("CLOSED", _) => ChargeState::Closed,
            _ => ChargeState::Open,
        }
    }

    /// What the platform is told; nothing while the charge is open or after it was closed.
    pub(super) fn notification(&self, payment: PaymentId) -> Option<NotificationBody> {
        let (status, txn) = match self.charge_state() {
            ChargeState::Paid(taken) => (NotificationStatus::Paid, taken.txn),
            ChargeState::Declined => (NotificationStatus::Declined, format!("declined-{payment}")),
            _ => return None,
        };
        Some(NotificationBody { payment_id: payment, txn, amount: self.amount, status })
    }
}

async fn find(executor: impl Into<Target<'_>>, payment: PaymentId) -> Result<Option<Entry>> {
    let row = query("SELECT minor, currency, state, txn FROM mock_charges WHERE payment_id = $1")
        .bind(payment)
        .fetch_optional(executor)
        .await?;
    row.as_ref().map(Entry::read).transpose()
}

/// Moves a charge from one of `from` to `to`; a charge in another state stays as it is.
async fn settle(
    connection: &mut Connection<'_>,
    payment: PaymentId,
    from: &str,
    to: &str,
    txn: Option<String>,
) -> Result<()> {
    query(
        "UPDATE mock_charges SET state = $1, txn = coalesce(txn, $2), updated_at = $3, paid_at = coalesce(paid_at, $6)
         WHERE payment_id = $4 AND state = $5",
    )
    .bind(to)
    .bind(txn.clone())
    .bind(Millis::now().0)
    .bind(payment)
    .bind(from)
    .bind(txn.map(|_| Millis::now().0))
    .execute(connection)
    .await?;
    Ok(())
}

/// What the books say of a refund.
async fn find_refund(executor: impl Into<Target<'_>>, refund: &RefundOrder) -> Result<Option<Returned>> {
    let state: Option<String> =
        query("SELECT state FROM mock_refunds WHERE refund_id = $1").bind(refund.id).scalar_optional(executor).await?;
    Ok(state.map(|state| if state == "DONE" { Returned::Done } else { Returned::Refused(TOO_MUCH.to_owned()) }))
}

/// Why the books refuse a refund.
const TOO_MUCH: &str = "the charge has no such money left";

impl Books {
    pub(super) fn new(database: Database) -> Self {
        Self { database }
    }

    pub(super) async fn find(&self, payment: PaymentId) -> Result<Option<Entry>> {
        find(&self.database.read, payment).await
    }

    pub(super) async fn open(&self, charge: &Charge) -> Result<()> {
        let Charge { payment, amount, .. } = *charge;
        self.database
            .write
            .run(move |connection| {
                Box::pin(async move {
                    query(
                        "INSERT INTO mock_charges (payment_id, minor, currency, state, updated_at)
                         VALUES ($1, $2, $3, 'OPEN', $4) ON CONFLICT DO NOTHING",
                    )
                    .bind(payment)
                    .bind(amount.minor)
                    .bind(amount.currency.code())
                    .bind(Millis::now().0)
                    .execute(connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    /// Takes the money or declines, once; answers the charge as it is afterwards.
    pub(super) async fn decide(&self, payment: PaymentId, paid: bool) -> Result<Entry> {
        self.database
            .write
            .run(move |connection| {
                Box::pin(async move {
                    let (to, txn) = if paid { ("PAID", Some(format!("mock-{payment}"))) } else { ("DECLINED", None) };
                    settle(connection, payment, "OPEN", to, txn).await?;
                    find(connection, payment).await?.ok_or_else(|| Problem::not_found("charge"))
                })
            })
            .await
    }

    pub(super) async fn close(&self, payment: PaymentId) -> Result<Option<Entry>> {
        self.database
            .write
            .run(move |connection| {
                Box::pin(async move {
                    // A charge that arrives to be opened after it was closed must find itself closed.
                    query(
                        "INSERT INTO mock_charges (payment_id, minor, currency, state, updated_at)
                         VALUES ($1, 0, 'CNY', 'CLOSED', $2) ON CONFLICT DO NOTHING",
                    )
                    .bind(payment)
                    .bind(Millis::now().0)
                    .execute(&mut *connection)
                    .await?;
                    settle(connection, payment, "OPEN", "CLOSED", None).await?;
                    find(connection, payment).await
                })
            })
            .await
    }

    /// Returns money of a charge once, if that much of it is left; answers what became of it.
    pub(super) async fn refund(&self, refund: &RefundOrder) -> Result<Returned> {
        let refund = refund.clone();
        self.database
            .write
            .run(move |connection| {
                Box::pin(async move {
                    // Whoever refunds has the charge alone.
                    query("UPDATE mock_charges SET updated_at = updated_at WHERE payment_id = $1")
                        .bind(refund.payment)
                        .execute(&mut *connection)
                        .await?;
                    if let Some(known) = find_refund(&mut *connection, &refund).await? {
                        return Ok(known);
                    }
                    let charge = find(&mut *connection, refund.payment).await?;
                    let charge = charge.filter(|entry| {
                        matches!(entry.state.as_str(), "PAID" | "REFUNDED")
                            && entry.txn.as_ref() == Some(&refund.txn)
                            && entry.amount.currency == refund.amount.currency
                    });
                    let before: i64 = query(
                        "SELECT CAST(coalesce(sum(minor), 0) AS BIGINT) FROM mock_refunds
                         WHERE payment_id = $1 AND txn = $2 AND state = 'DONE'",
                    )
                    .bind(refund.payment)
                    .bind(&refund.txn)
                    .scalar(&mut *connection)
                    .await?;
                    let left = charge.map_or(0, |entry| entry.amount.minor.saturating_sub(before));
                    let enough = refund.amount.minor > 0 && refund.amount.minor <= left;
                    query(
                        "INSERT INTO mock_refunds (refund_id, payment_id, txn, minor, currency, state, at)
                         VALUES ($1, $2, $3, $4, $5, $6, $7)",
                    )
                    .bind(refund.id)
                    .bind(refund.payment)
                    .bind(&refund.txn)
                    .bind(refund.amount.minor)
                    .bind(refund.amount.currency.code())
                    .bind(if enough { "DONE" } else { "REFUSED" })
                    .bind(Millis::now().0)
                    .execute(&mut *connection)
                    .await?;
                    if !enough {
                        return Ok(Returned::Refused(TOO_MUCH.to_owned()));
                    }
                    if refund.amount.minor == left {
                        settle(connection, refund.payment, "PAID", "REFUNDED", None).await?;
                    }
                    Ok(Returned::Done)
                })
            })
            .await
    }

    pub(super) async fn find_refund(&self, refund: &RefundOrder) -> Result<Option<Returned>> {
        find_refund(&self.database.read, refund).await
    }

    /// Everything that succeeded within this time.
    pub(super) async fn statement(&self, (from, to): (Millis, Millis)) -> Result<Vec<StatementLine>> {
        query(include_str!("../sql/mock_statement.sql"))
            .bind(from.0)
            .bind(to.0)
            .fetch_all(&self.database.read)
            .await?
            .iter()
            .map(|row| {
                let refund: Option<String> = row.get("refund_id")?;
                let entry = match refund {
                    Some(refund) => StatementEntry::Refund { refund },
                    None => StatementEntry::Charge { txn: row.get("txn")?, payment: row.get("payment_id")? },
                };
                Ok(StatementLine { entry, amount: money(row)? })
            })
            .collect()
    }
}
