//! The counter as a payment provider: clerks take money, and the journal of their tills is its bill.

use async_trait::async_trait;
use axum::http::HeaderMap;
use jiff::civil::Date;

use super::{
    domain::Method,
    till::{self, Entry, Kind},
};
use crate::{
    day,
    ids::{PaymentId, UserId},
    payment::provider::{
        BadNotification, Charge, ChargeState, Close, Notification, PaymentProvider, ProviderError, RefundOrder,
        Returned, StatementEntry, StatementLine, Taken, Till,
    },
    problem::Problem,
    storage::{Connection, Database, sql::query},
};

/// Why the journal refuses a refund.
const TOO_MUCH: &str = "the sale has no such money left";

/// One way to pay at a counter.
#[derive(Clone, Debug)]
pub struct CounterProvider {
    method: Method,
    database: Database,
}

impl CounterProvider {
    /// The tills of this database.
    #[must_use]
    pub const fn new(method: Method, database: Database) -> Self {
        Self { method, database }
    }

    async fn taken(&self, payment: PaymentId) -> Result<Option<Taken>, Problem> {
        let sale = till::sale_of(&self.database.read, payment).await?.filter(|sale| sale.method == self.method);
        Ok(sale.map(|sale| Taken { txn: sale.txn(), amount: sale.amount }))
    }
}

fn failed(context: &'static str) -> impl FnOnce(Problem) -> ProviderError {
    move |problem| ProviderError::new(context, problem)
}

/// Out of the till of whoever asked for the refund; if nobody did, of whoever sold.
async fn pay_back(connection: &mut Connection<'_>, refund: &RefundOrder, method: Method) -> Result<Returned, Problem> {
    let id = refund.id.to_string();
    let Some(sale) = till::sale_of(&mut *connection, refund.payment).await?.filter(|sale| sale.method == method) else {
        return Ok(Returned::Refused(TOO_MUCH.to_owned()));
    };
    // Looked up after the sale is locked: of two at once the second finds what the first wrote.
    let before = till::refunded(connection, refund.payment).await?;
    if till::is_written(&mut *connection, &id).await? {
        return Ok(Returned::Done);
    }
    let left = sale.amount.minor.saturating_sub(before);
    let fits = refund.txn == sale.txn()
        && refund.amount.currency == sale.amount.currency
        && (1..=left).contains(&refund.amount.minor);
    if !fits {
        return Ok(Returned::Refused(TOO_MUCH.to_owned()));
    }
    let asked_by: Option<Option<String>> =
        query("SELECT asked_by FROM refunds WHERE id = $1").bind(refund.id).scalar_optional(&mut *connection).await?;
    let clerk: UserId = match asked_by.flatten() {
        Some(asked_by) => asked_by.parse().map_err(Problem::internal)?,
        None => sale.clerk,
    };
    let key = till::open(connection, &sale.merchant, clerk, sale.amount.currency).await?;
    let entry = Entry { id, kind: Kind::Refund, clerk, day: key.day.to_string(), amount: refund.amount, ..sale };
    till::write(connection, &entry).await?;
    Ok(Returned::Done)
}

#[async_trait]
impl PaymentProvider for CounterProvider {
    fn name(&self) -> &'static str {
        self.method.as_str()
    }

    /// Nobody pays at a counter from afar: the clerk takes the money, and that is when the charge comes to be.
    async fn open(&self, _: &Charge) -> Result<Till, ProviderError> {
        Err(ProviderError::new("opening a charge", "money at a counter is taken by a clerk"))
    }

    async fn query(&self, payment: PaymentId) -> Result<ChargeState, ProviderError> {
        let taken = self.taken(payment).await.map_err(failed("asking for a charge"))?;
        Ok(taken.map_or(ChargeState::Unknown, ChargeState::Paid))
    }

    async fn close(&self, payment: PaymentId) -> Result<Close, ProviderError> {
        let taken = self.taken(payment).await.map_err(failed("closing a charge"))?;
        Ok(taken.map_or(Close::Closed, Close::AlreadyPaid))
    }

    async fn refund(&self, refund: &RefundOrder) -> Result<Returned, ProviderError> {
        let (refund, method) = (refund.clone(), self.method);
        let paid = self
            .database
            .write
            .run(move |connection| Box::pin(async move { pay_back(connection, &refund, method).await }))
            .await;
        paid.map_err(failed("refunding a charge"))
    }

    async fn query_refund(&self, refund: &RefundOrder) -> Result<Returned, ProviderError> {
        let known = till::is_written(&self.database.read, &refund.id.to_string()).await;
        Ok(if known.map_err(failed("asking for a refund"))? { Returned::Done } else { Returned::Unknown })
    }

    async fn statement(&self, day: Date) -> Result<Vec<StatementLine>, ProviderError> {
        let entries = async { till::between(&self.database.read, self.method, day::bounds(day)?).await };
        let entries = entries.await.map_err(failed("reading the journal of a day"))?;
        let line = |entry: Entry| StatementLine {
            amount: entry.amount,
            entry: match entry.kind {
                Kind::Sale => StatementEntry::Charge { txn: entry.txn(), payment: entry.payment.to_string() },
                Kind::Refund => StatementEntry::Refund { refund: entry.id },
            },
        };
        Ok(entries.into_iter().map(line).collect())
    }

    fn read_notification(&self, _: &HeaderMap, _: &[u8]) -> Result<Notification, BadNotification> {
        Err(BadNotification::Signature("a counter sends no notifications"))
    }
}
