//! Payments: begun by the buyer, settled by what the provider says, by whichever way it says it first.

use super::{
    guarded::LeftAlone,
    provider::{Charge, ChargeState, Close, News, Notification, ProviderError, Taken, Till},
    providers::Providers,
    storage::{
        self, PaymentRow, PaymentState, charges,
        refunds::{self, RefundKind, RefundRow, RefundState},
    },
};
use crate::{
    clock::Millis,
    funnel::{self, Count, Funnel},
    ids::{OrderId, PaymentId, RefundId, UserId},
    marketing::coupon,
    money::Money,
    order::{
        OrderState,
        storage::{self as orders, OrderRow},
    },
    outbox::{Issue, Outbox, Step},
    problem::{Code, Problem, Result},
    storage::{Connection, Database},
    telemetry::about_order,
};

/// The payment service.
#[derive(Clone, Debug)]
pub struct Payments {
    pub(super) database: Database,
    pub(super) providers: Providers,
    pub(super) outbox: Outbox,
    pub(super) funnel: Funnel,
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
    /// A refund is done or refused now.
    Settled,
    /// There was nothing to act on.
    Ignored,
}

/// What the provider says of one charge.
#[derive(Clone, Debug)]
pub(super) struct Report {
    pub(super) payment: PaymentId,
    pub(super) outcome: Outcome,
    /// When a notification said so: whose, and which.
    pub(super) notification: Option<(String, String)>,
}

#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Paid(Taken),
    Declined,
}

impl From<ProviderError> for Problem {
    fn from(error: ProviderError) -> Self {
        let left_alone = error.source.downcast_ref::<LeftAlone>().copied();
        match left_alone {
            Some(LeftAlone { retry_after }) => {
                Self::new(Code::Busy, "The payment provider is too slow at this moment.")
                    .retry_after(u32::try_from(retry_after.as_secs()).unwrap_or(u32::MAX).max(1))
                    .caused_by(error)
            }
            None => Self::unavailable(error),
        }
    }
}

impl Payments {
    /// The service on its parts.
    #[must_use]
    pub fn new(database: Database, providers: Providers, outbox: Outbox, funnel: Funnel) -> Self {
        Self { database, providers, outbox, funnel }
    }

    /// The providers.
    #[must_use]
    pub fn providers(&self) -> &Providers {
        &self.providers
    }

    /// Begins to pay an order at this provider, or goes on with the payment that is open; answers where the buyer pays.
    /// A payment that is open at another provider is closed first.
    ///
    /// # Errors
    ///
    /// [`Code::AlreadyPaid`], [`Code::OrderExpired`] or [`Code::OrderState`] when the order cannot be paid.
    ///
    /// # Cancel safety
    ///
    /// The payment may have been begun; asking again goes on with it.
    pub async fn begin(&self, user: UserId, order: OrderId, provider: Option<&str>) -> Result<(PaymentRow, Till)> {
        let chosen = self.providers.choose(provider)?;
        let provider = chosen.name();
        for payment in storage::of_order(&self.database.read, order).await? {
            if payment.state == PaymentState::Pending && payment.provider != provider {
                let row = orders::find(&self.database.read, order).await?;
                payable(row, user)?;
                self.close(&payment).await?;
            }
        }
        let begun = self
            .database
            .write
            .run::<_, Problem, _>(move |connection| {
                Box::pin(async move {
                    let order = payable(orders::lock(connection, order).await?, user)?;
                    let open = storage::of_order(&mut *connection, order.id).await?;
                    if let Some(open) = open.into_iter().find(|payment| payment.state == PaymentState::Pending) {
                        return Ok((open, order.expires_at));
                    }
                    if order.state == OrderState::Locked {
                        let reason = "payment begun";
                        orders::transition(connection, order.id, order.state, OrderState::Paying, reason).await?;
                    }
                    let id = PaymentId::new();
                    storage::insert(connection, id, order.id, provider, order.total).await?;
                    let payment = PaymentRow {
                        id,
                        order: order.id,
                        state: PaymentState::Pending,
                        provider: provider.to_owned(),
                        amount: order.total,
                        txn: None,
                    };
                    Ok((payment, order.expires_at))
                })
            })
            .await;
        let (payment, expires_at) = match begun {
            Ok(begun) => begun,
            Err(problem) => {
                if problem.code == Code::NotFound {
                    // What is archived is refused with the words of what is over.
                    payable(orders::find_any(&self.database.read, order).await?, user)?;
                }
                return Err(problem);
            }
        };
        // Repeatable: when this fails, the buyer asks again and gets the same payment.
        let charge = Charge { payment: payment.id, amount: payment.amount, expires_at };
        let till = self.providers.of(&payment.provider)?.open(&charge).await?;
        Ok((payment, till))
    }

    /// Acts on a notification whose signature was checked.
    ///
    /// # Errors
    ///
    /// [`Code::CallbackReplayed`] for one seen before, [`Code::CallbackAmount`] for another amount than the
    /// payment's, [`Code::NotFound`] for an unknown payment: nothing is changed then.
    pub async fn notified(&self, provider: &str, notification: Notification) -> Result<Settlement> {
        // Providers number their messages on their own.
        let Notification { id, news } = notification;
        let id = format!("{provider}:{id}");
        match news {
            News::Charge { payment, txn, amount, paid } => {
                let outcome = if paid { Outcome::Paid(Taken { txn, amount }) } else { Outcome::Declined };
                self.settle(Report { payment, outcome, notification: Some((provider.to_owned(), id)) }).await
            }
            News::Refund { refund, outcome } => self.refund_notified(provider, id, refund, outcome).await,
            News::Nothing => Ok(Settlement::Ignored),
        }
    }

    /// Asks the provider what became of a payment that nobody has heard of, and acts on it.
    ///
    /// # Errors
    ///
    /// When the provider or the database cannot be asked.
    pub async fn pull(&self, payment: PaymentId) -> Result<()> {
        let Some(row) = storage::find(&self.database.read, payment).await? else { return Ok(()) };
        let outcome = match self.providers.of(&row.provider)?.query(payment).await? {
            ChargeState::Paid(taken) => Outcome::Paid(taken),
            ChargeState::Declined => Outcome::Declined,
            ChargeState::Open | ChargeState::Closed | ChargeState::Unknown => {
                let order = orders::find(&self.database.read, row.order).await?;
                if order.is_none_or(|order| !order.state.is_live()) {
                    self.close(&row).await?;
                }
                return Ok(());
            }
        };
        self.settle(Report { payment, outcome, notification: None }).await?;
        Ok(())
    }

    /// Closes a payment at the provider; `true` when it turned out to be paid, and was settled as such.
    pub(super) async fn close(&self, payment: &PaymentRow) -> Result<bool> {
        let id = payment.id;
        match self.providers.of(&payment.provider)?.close(id).await? {
            Close::AlreadyPaid(taken) => {
                self.settle(Report { payment: id, outcome: Outcome::Paid(taken), notification: None }).await?;
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
        let (settlement, order) = self
            .database
            .write
            .run(move |connection| Box::pin(async move { settle(connection, &outbox, &report).await }))
            .await?;
        self.outbox.wake();
        metrics::counter!("ticketing_settlements_total", "result" => settlement.as_str()).increment(1);
        if let Some(order) = order {
            about_order(order.id);
            self.count(settlement, &order);
        }
        Ok(settlement)
    }

    pub(super) fn count(&self, settlement: Settlement, order: &OrderRow) {
        match settlement {
            Settlement::Paid => {
                self.funnel.count(order.session, Count::Paid);
                self.funnel.add(order.session, Count::Revenue, u64::try_from(order.total.minor).unwrap_or(0));
            }
            Settlement::Declined => {
                self.funnel.refused(order.session, funnel::Refusal::declined());
            }
            Settlement::Duplicate | Settlement::Refunded | Settlement::Settled | Settlement::Ignored => {}
        }
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
            Self::Settled => "settled",
            Self::Ignored => "ignored",
        }
    }
}

pub(super) fn payable(order: Option<OrderRow>, user: UserId) -> Result<OrderRow> {
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

/// What a report changes of a payment that is archived: nothing, if it tells what is known; otherwise nobody has an order for
/// it, and the comparison with the provider's bill says so as well.
fn archived(payment: &PaymentRow, outcome: &Outcome) -> Option<Settlement> {
    match outcome {
        Outcome::Paid(taken) if payment.txn.as_ref() != Some(&taken.txn) => {
            tracing::error!(payment = %payment.id, txn = taken.txn, "money was taken for an order in the archive");
            None
        }
        Outcome::Paid(_) | Outcome::Declined => Some(Settlement::Duplicate),
    }
}

/// One transaction: the payment, the order and the unique rows of the seats agree, or nothing happened. Answers with the order
/// as it was, unless it is archived.
async fn settle(
    connection: &mut Connection<'_>,
    outbox: &Outbox,
    report: &Report,
) -> Result<(Settlement, Option<OrderRow>)> {
    if let Some((_, id)) = &report.notification
        && !storage::remember_notification(connection, id).await?
    {
        return Err(Problem::new(Code::CallbackReplayed, "This notification was received before."));
    }
    let unknown = || Problem::not_found("payment");
    let payment = storage::find(&mut *connection, report.payment).await?.ok_or_else(unknown)?;
    // What one provider signs says nothing of another one's money.
    if report.notification.as_ref().is_some_and(|(provider, _)| *provider != payment.provider) {
        return Err(unknown());
    }
    let Some(order) = orders::lock(connection, payment.order).await? else {
        return Ok((archived(&payment, &report.outcome).ok_or_else(unknown)?, None));
    };
    // As it is now that nobody else settles it.
    let payment = storage::find(&mut *connection, payment.id).await?.ok_or_else(unknown)?;
    Ok((settle_order(connection, outbox, report, &payment, &order).await?, Some(order)))
}

pub(super) async fn settle_order(
    connection: &mut Connection<'_>,
    outbox: &Outbox,
    report: &Report,
    payment: &PaymentRow,
    order: &OrderRow,
) -> Result<Settlement> {
    let txn = match &report.outcome {
        Outcome::Declined if payment.state != PaymentState::Pending => return Ok(Settlement::Duplicate),
        Outcome::Declined => {
            storage::settle(connection, payment.id, PaymentState::Failed, None).await?;
            return Ok(Settlement::Declined);
        }
        Outcome::Paid(taken) if taken.amount != payment.amount => {
            let detail = format!("The payment is over {}, the provider says {}.", payment.amount, taken.amount);
            return Err(Problem::new(Code::CallbackAmount, detail));
        }
        Outcome::Paid(taken) => &taken.txn,
    };
    if payment.state == PaymentState::Succeeded && payment.txn.as_ref() == Some(txn) {
        return Ok(Settlement::Duplicate);
    }
    storage::settle(connection, payment.id, PaymentState::Succeeded, Some(txn)).await?;
    charges::insert(connection, payment, txn).await?;
    let reason = if payment.state == PaymentState::Succeeded || order.state.was_paid() {
        "charged twice"
    } else if order.state != OrderState::Paying {
        "the order had ended before the payment arrived"
    } else if storage::insert_sold(connection, order.id).await? {
        orders::transition(connection, order.id, order.state, OrderState::Paid, "paid").await?;
        outbox.record(connection, &order.follow(Step::Sell)).await?;
        outbox.record(connection, &Issue { order: order.id }).await?;
        return Ok(Settlement::Paid);
    } else {
        // The ledger let two orders have one seat; the unique row did not.
        let reason = "a seat was sold to another order";
        orders::transition(connection, order.id, order.state, OrderState::Cancelled, reason).await?;
        coupon::give_back(connection, order.id, coupon::Ended::Unpaid).await?;
        outbox.record(connection, &order.follow(Step::Release)).await?;
        reason
    };
    let refund = RefundRow {
        id: RefundId::new(),
        kind: RefundKind::Charge,
        payment: payment.id,
        order: order.id,
        txn: txn.clone(),
        amount: payment.amount,
        fee: Money { minor: 0, ..payment.amount },
        reason: reason.to_owned(),
        state: RefundState::Pending,
        asked_by: None,
        from: None,
        note: None,
        created_at: Millis::now(),
    };
    if !refunds::insert(connection, &refund).await? {
        return Ok(Settlement::Duplicate);
    }
    outbox.record(connection, &refund.message()).await?;
    Ok(Settlement::Refunded)
}
