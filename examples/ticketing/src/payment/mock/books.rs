//! The provider's books.

use super::{NotificationBody, NotificationStatus};
use crate::{
    clock::Millis,
    ids::PaymentId,
    money::Money,
    order::storage::money,
    payment::provider::{Charge, ChargeState},
    problem::{Code, Problem, Result},
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
            ("PAID" | "REFUNDED", Some(txn)) => ChargeState::Paid { txn: txn.clone() },
            ("DECLINED", _) => ChargeState::Declined,
            ("CLOSED", _) => ChargeState::Closed,
            _ => ChargeState::Open,
        }
    }

    /// What the platform is told; nothing while the charge is open or after it was closed.
    pub(super) fn notification(&self, payment: PaymentId) -> Option<NotificationBody> {
        let (status, txn) = match self.charge_state() {
            ChargeState::Paid { txn } => (NotificationStatus::Paid, txn),
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
        "UPDATE mock_charges SET state = $1, txn = coalesce(txn, $2), updated_at = $3
         WHERE payment_id = $4 AND state = $5",
    )
    .bind(to)
    .bind(txn)
    .bind(Millis::now().0)
    .bind(payment)
    .bind(from)
    .execute(connection)
    .await?;
    Ok(())
}

impl Books {
    pub(super) fn new(database: Database) -> Self {
        Self { database }
    }

    pub(super) async fn find(&self, payment: PaymentId) -> Result<Option<Entry>> {
        find(&self.database.read, payment).await
    }

    pub(super) async fn open(&self, charge: &Charge) -> Result<()> {
        let Charge { payment, amount } = *charge;
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

    pub(super) async fn refund(&self, payment: PaymentId, txn: &str) -> Result<()> {
        let txn = txn.to_owned();
        self.database
            .write
            .run(move |connection| {
                Box::pin(async move {
                    settle(connection, payment, "PAID", "REFUNDED", None).await?;
                    match find(connection, payment).await? {
                        Some(entry) if entry.state == "REFUNDED" && entry.txn.as_deref() == Some(&txn) => Ok(()),
                        _ => Err(Problem::new(Code::NotFound, "The provider knows no such paid charge.")),
                    }
                })
            })
            .await
    }
}
