//! Payments: begun by the buyer, settled by what the provider says, by whichever way it says it first.

use std::sync::Arc;

use super::{
    provider::{Charge, ChargeState, Close, Notification, PaymentProvider, ProviderError},
    storage::{self, PaymentRow, PaymentState, RefundRow},
};
use crate::{
    clock::Millis,
    ids::{OrderId, PaymentId, UserId},
    money::Money,
    order::{
        OrderState,
        storage::{self as orders, OrderRow},
    },
    outbox::{Follow, Outbox, Refund},
    problem::{Code, Problem, Result},
    storage::{Connection, Database},
};

/// The payment service.
#[derive(Clone, Debug)]
pub struct Payments {
    pub(super) database: Database,
    pub(super) provider: Arc<dyn PaymentProvider>,
    pub(super) outbox: Outbox,
}

/// What a report of the provider led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// The order is paid and its seats are sold.
    Paid,
    /// This was known already.
    Duplicate,
    /// The order could no longer be paid: the money goes back.
    Refunded,
    /// The payment failed; the buyer may try again while the order lives.
    Declined,
}

/// What the provider says of one charge.
#[derive(Clone, Debug)]
struct Report {
    payment: PaymentId,
    amount: Money,
    outcome: Outcome,
    /// Identifier of the notification that said so, when one did.
    notification: Option<String>,
}

#[derive(Clone, Debug)]
enum Outcome {
    Paid { txn: String },
    Declined,
}

impl From<ProviderError> for Problem {
    fn from(error: ProviderError) -> Self {
        Self::unavailable(error)
    }
}

impl Payments {
    /// The service on its parts.
    #[must_use]
    pub fn new(database: Database, provider: Arc<dyn PaymentProvider>, outbox: Outbox) -> Self {
        Self { database, provider, outbox }
    }

    /// The provider.
    #[must_use]
    pub fn provider(&self) -> &dyn PaymentProvider {
        &*self.provider
    }

    /// Begins to pay an order, or goes on with the payment that is open; answers where the buyer pays.
    ///
    /// # Errors
    ///
    /// [`Code::AlreadyPaid`], [`Code::OrderExpired`] or [`Code::OrderState`] when the order cannot be paid.
    pub async fn begin(&self, user: UserId, order: OrderId) -> Result<(PaymentRow, String)> {
        let provider = self.provider.name();
        let payment = self
            .database
            .write
            .run::<_, Problem, _>(move |connection| {
                Box::pin(async move {
                    let order = payable(orders::lock(connection, order).await?, user)?;
                    let open = storage::of_order(&mut *connection, order.id).await?;
                    if let Some(open) = open.into_iter().find(|payment| payment.state == PaymentState::Pending) {
                        return Ok(open);
                    }
                    if order.state == OrderState::Locked {
                        let reason = "payment begun";
                        orders::transition(connection, order.id, order.state, OrderState::Paying, reason).await?;
                    }
                    let id = PaymentId::new();
                    storage::insert(connection, id, order.id, provider, order.total).await?;
                    let state = PaymentState::Pending;
                    Ok(PaymentRow { id, order: order.id, state, amount: order.total, txn: None })
                })
            })
            .await?;
        // Repeatable: when this fails, the buyer asks again and gets the same payment.
        let url = self.provider.open(&Charge { payment: payment.id, amount: payment.amount }).await?;
        Ok((payment, url))
    }

    /// Acts on a notification whose signature was checked.
    ///
    /// # Errors
    ///
    /// [`Code::CallbackReplayed`] for one seen before, [`Code::CallbackAmount`] for another amount than the
    /// payment's, [`Code::NotFound`] for an unknown payment: nothing is changed then.
    pub async fn notified(&self, notification: Notification) -> Result<Settlement> {
        let Notification { id, payment, txn, amount, paid } = notification;
        let outcome = if paid { Outcome::Paid { txn } } else { Outcome::Declined };
        self.settle(Report { payment, amount, outcome, notification: Some(id) }).await
    }

    /// Asks the provider what became of a payment that nobody has heard of, and acts on it.
    ///
    /// # Errors
    ///
    /// When the provider or the database cannot be asked.
    pub async fn pull(&self, payment: PaymentId) -> Result<()> {
        let Some(row) = storage::find(&self.database.read, payment).await? else { return Ok(()) };
        let outcome = match self.provider.query(payment).await? {
            ChargeState::Paid { txn } => Outcome::Paid { txn },
            ChargeState::Declined => Outcome::Declined,
            ChargeState::Open | ChargeState::Closed | ChargeState::Unknown => {
                let order = orders::find(&self.database.read, row.order).await?;
                if order.is_none_or(|order| !order.state.is_live()) {
                    self.close(&row).await?;
                }
                return Ok(());
            }
        };
        self.settle(Report { payment, amount: row.amount, outcome, notification: None }).await?;
        Ok(())
    }

    /// Closes a payment at the provider; `true` when it turned out to be paid, and was settled as such.
    pub(super) async fn close(&self, payment: &PaymentRow) -> Result<bool> {
        let id = payment.id;
        match self.provider.close(id).await? {
            Close::AlreadyPaid { txn } => {
                let outcome = Outcome::Paid { txn };
                self.settle(Report { payment: id, amount: payment.amount, outcome, notification: None }).await?;
                Ok(true)
            }
            Close::Closed => {
                self.database
                    .write
                    .run(move |connection| Box::pin(storage::settle(connection, id, PaymentState::Closed, None)))
                    .await?;
                Ok(false)
            }
        }
    }

    async fn settle(&self, report: Report) -> Result<Settlement> {
        let outbox = self.outbox.clone();
        let settlement = self
            .database
            .write
            .run(move |connection| Box::pin(async move { settle(connection, &outbox, &report).await }))
            .await?;
        self.outbox.wake();
        metrics::counter!("ticketing_settlements_total", "result" => settlement.as_str()).increment(1);
        Ok(settlement)
    }

    /// Returns the money of a charge whose refund was decided.
    ///
    /// # Errors
    ///
    /// When the provider does not confirm; the message that asked for it is then tried again.
    pub async fn refund(&self, txn: &str) -> Result<()> {
        let Some(refund) = storage::find_refund(&self.database.read, txn).await? else { return Ok(()) };
        if refund.done {
            return Ok(());
        }
        self.provider.refund(refund.payment, txn, &refund.reason).await?;
        let txn = txn.to_owned();
        self.database
            .write
            .run(move |connection| Box::pin(async move { storage::complete_refund(connection, &txn).await }))
            .await
    }
}

impl Settlement {
    /// The word in JSON and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Duplicate => "duplicate",
            Self::Refunded => "refunded",
            Self::Declined => "declined",
        }
    }
}

fn payable(order: Option<OrderRow>, user: UserId) -> Result<OrderRow> {
    let order = order.filter(|order| order.user == user).ok_or_else(|| Problem::not_found("order"))?;
    let expired = || Problem::new(Code::OrderExpired, "The time to pay is over. Please order again.");
    match order.state {
        OrderState::TimeoutCancelled => Err(expired()),
        state if state.owns_seats() => Err(Problem::new(Code::AlreadyPaid, "This order is paid.").with("state", state)),
        state if !state.is_live() => {
            Err(Problem::new(Code::OrderState, "This order can no longer be paid.").with("state", state))
        }
        _ if order.expires_at <= Millis::now() => Err(expired()),
        _ => Ok(order),
    }
}

/// One transaction: the payment, the order and the unique rows of the seats agree, or nothing happened.
async fn settle(connection: &mut Connection<'_>, outbox: &Outbox, report: &Report) -> Result<Settlement> {
    if let Some(id) = &report.notification
        && !storage::remember_notification(connection, id).await?
    {
        return Err(Problem::new(Code::CallbackReplayed, "This notification was received before."));
    }
    let unknown = || Problem::not_found("payment");
    let payment = storage::find(&mut *connection, report.payment).await?.ok_or_else(unknown)?;
    let order = orders::lock(connection, payment.order)
        .await?
        .ok_or_else(|| Problem::internal("a payment without an order"))?;
    // As it is now that nobody else settles it.
    let payment = storage::find(&mut *connection, payment.id).await?.ok_or_else(unknown)?;
    if payment.amount != report.amount {
        let detail = format!("The payment is over {}, the notification says {}.", payment.amount, report.amount);
        return Err(Problem::new(Code::CallbackAmount, detail));
    }
    let txn = match &report.outcome {
        Outcome::Declined if payment.state != PaymentState::Pending => return Ok(Settlement::Duplicate),
        Outcome::Declined => {
            storage::settle(connection, payment.id, PaymentState::Failed, None).await?;
            return Ok(Settlement::Declined);
        }
        Outcome::Paid { txn } => txn,
    };
    if payment.state == PaymentState::Succeeded && payment.txn.as_ref() == Some(txn) {
        return Ok(Settlement::Duplicate);
    }
    storage::settle(connection, payment.id, PaymentState::Succeeded, Some(txn)).await?;
    let reason = if payment.state == PaymentState::Succeeded || order.state.owns_seats() {
        "charged twice"
    } else if order.state != OrderState::Paying {
        "the order had ended before the payment arrived"
    } else if storage::insert_sold(connection, order.id).await? {
        orders::transition(connection, order.id, order.state, OrderState::Paid, "paid").await?;
        outbox.record(connection, &Follow::sell(&order)).await?;
        return Ok(Settlement::Paid);
    } else {
        // The ledger let two orders have one seat; the unique row did not.
        let reason = "a seat was sold to another order";
        orders::transition(connection, order.id, order.state, OrderState::Cancelled, reason).await?;
        outbox.record(connection, &Follow::release(&order)).await?;
        reason
    };
    let refund = RefundRow {
        payment: payment.id,
        order: order.id,
        txn: txn.clone(),
        amount: payment.amount,
        reason: reason.to_owned(),
        done: false,
    };
    if !storage::insert_refund(connection, &refund).await? {
        return Ok(Settlement::Duplicate);
    }
    outbox.record(connection, &Refund { txn: txn.clone() }).await?;
    Ok(Settlement::Refunded)
}
