//! Refunds on their way: sent to the provider, and settled by what it says, by whichever way it says it first.

use super::{
    provider::{RefundOrder, Returned},
    service::{Payments, Settlement},
    storage::{
        self,
        refunds::{self, RefundKind, RefundRow, RefundState},
    },
};
use crate::{
    ids::RefundId,
    marketing::coupon,
    order::{OrderState, storage as orders},
    outbox::{Issue, Outbox, Step, Topic},
    problem::{Code, Problem, Result},
    storage::Connection,
    ticket::storage as tickets,
};

impl Payments {
    /// Sends a refund that was decided to the provider, and settles it if the provider is done with it.
    ///
    /// # Errors
    ///
    /// When the provider does not answer; the message that asked for it is then tried again.
    ///
    /// # Cancel safety
    ///
    /// The provider may have been asked; asking again has no second effect.
    pub async fn refund(&self, refund: &str) -> Result<()> {
        let Some((row, order)) = self.pending(refund).await? else { return Ok(()) };
        let outcome = self.providers.of(&order.provider)?.refund(&order.refund).await?;
        self.settle_refund(row, outcome, None).await.map(drop)
    }

    /// Asks the provider what became of a refund that nobody has heard of, and acts on it. One that never reached the
    /// provider is sent again.
    ///
    /// # Errors
    ///
    /// When the provider or the database cannot be asked.
    ///
    /// # Cancel safety
    ///
    /// As [`refund`](Self::refund).
    pub async fn pull_refund(&self, refund: RefundId) -> Result<()> {
        let Some((row, order)) = self.pending(&refund.to_string()).await? else { return Ok(()) };
        let provider = self.providers.of(&order.provider)?;
        let outcome = match provider.query_refund(&order.refund).await? {
            Returned::Unknown => provider.refund(&order.refund).await?,
            outcome => outcome,
        };
        self.settle_refund(row, outcome, None).await.map(drop)
    }

    /// Acts on what a notification says of a refund.
    pub(super) async fn refund_notified(
        &self,
        provider: &str,
        id: String,
        refund: RefundId,
        outcome: Returned,
    ) -> Result<Settlement> {
        let unknown = || Problem::not_found("refund");
        let row = refunds::find(&self.database.read, &refund.to_string()).await?.ok_or_else(unknown)?;
        let payment = storage::find(&self.database.read, row.payment).await?.ok_or_else(unknown)?;
        if payment.provider != provider {
            return Err(unknown());
        }
        self.settle_refund(row, outcome, Some(id)).await
    }

    /// The refund and what the provider has to know, if the provider has a say.
    async fn pending(&self, refund: &str) -> Result<Option<(RefundRow, At)>> {
        let row = refunds::find(&self.database.read, refund).await?;
        let Some(row) = row.filter(|row| row.state == RefundState::Pending) else { return Ok(None) };
        let payment = storage::find(&self.database.read, row.payment).await?;
        let payment = payment.ok_or_else(|| Problem::internal("a refund without a payment"))?;
        let refund = RefundOrder {
            id: row.id,
            payment: row.payment,
            txn: row.txn.clone(),
            amount: row.amount,
            charged: payment.amount,
            reason: row.reason.clone(),
        };
        Ok(Some((row, At { provider: payment.provider, refund })))
    }

    async fn settle_refund(
        &self,
        row: RefundRow,
        outcome: Returned,
        notification: Option<String>,
    ) -> Result<Settlement> {
        let outbox = self.outbox.clone();
        let settlement = self
            .database
            .write
            .run(move |connection| {
                Box::pin(async move { settle(connection, &outbox, &row, outcome, notification.as_deref()).await })
            })
            .await?;
        self.outbox.wake();
        Ok(settlement)
    }
}

/// What a provider is asked, and which.
struct At {
    provider: String,
    refund: RefundOrder,
}

/// One transaction: the refund, the order, its seats and its tickets agree, or nothing happened.
async fn settle(
    connection: &mut Connection<'_>,
    outbox: &Outbox,
    row: &RefundRow,
    outcome: Returned,
    notification: Option<&str>,
) -> Result<Settlement> {
    if let Some(id) = notification
        && !storage::remember_notification(connection, id).await?
    {
        return Err(Problem::new(Code::CallbackReplayed, "This notification was received before."));
    }
    // Whoever changes a refund has its order first.
    orders::lock(connection, row.order).await?;
    let pending = RefundState::Pending;
    match outcome {
        Returned::Done => {
            if !refunds::transition(connection, row.id, pending, RefundState::Done, None).await? {
                return Ok(Settlement::Duplicate);
            }
            if row.kind == RefundKind::Order {
                returned(connection, outbox, row).await?;
            }
            outbox.record(connection, &row.notice(Topic::RefundDone)).await?;
            metrics::counter!("ticketing_refunds_total", "result" => "done").increment(1);
            Ok(Settlement::Settled)
        }
        Returned::Refused(why) => {
            if !refunds::transition(connection, row.id, pending, RefundState::Refused, Some(&why)).await? {
                return Ok(Settlement::Duplicate);
            }
            if row.kind == RefundKind::Order {
                keep(connection, outbox, row, &why).await?;
            } else {
                // Somebody's money lies here without an order: the audit counts it, and the desk can try again.
                tracing::error!(refund = %row.id, order = %row.order, "the provider refuses to take a charge back");
            }
            metrics::counter!("ticketing_refunds_total", "result" => "refused").increment(1);
            Ok(Settlement::Settled)
        }
        // It was heard of: leave it alone for a while.
        Returned::Processing | Returned::Unknown => {
            refunds::transition(connection, row.id, pending, pending, None).await?;
            Ok(Settlement::Ignored)
        }
    }
}

/// The money of an order is back: its seats may be sold again.
async fn returned(connection: &mut Connection<'_>, outbox: &Outbox, row: &RefundRow) -> Result<()> {
    let (from, to) = (OrderState::Refunding, OrderState::Refunded);
    if !orders::transition(connection, row.order, from, to, "money returned").await? {
        return Err(Problem::internal("a refund of an order that is not being refunded"));
    }
    storage::delete_sold(connection, row.order).await?;
    coupon::give_back(connection, row.order, coupon::Ended::Refunded).await?;
    let order = orders::find(&mut *connection, row.order).await?;
    let order = order.ok_or_else(|| Problem::internal("a refund without an order"))?;
    outbox.record(connection, &order.follow(Step::Refund)).await
}

/// The money of an order does not go back: its tickets are good again, and if it had none yet, it gets them now.
pub(crate) async fn keep(connection: &mut Connection<'_>, outbox: &Outbox, row: &RefundRow, why: &str) -> Result<()> {
    let to = row.from.ok_or_else(|| Problem::internal("a refund that does not know where its order came from"))?;
    let reason = format!("refund refused: {why}");
    if !orders::transition(connection, row.order, OrderState::Refunding, to, &reason).await? {
        return Err(Problem::internal("a refund of an order that is not being refunded"));
    }
    tickets::restore(connection, row.order).await?;
    outbox.record(connection, &row.notice(Topic::RefundRefused)).await?;
    if to == OrderState::Paid {
        outbox.record(connection, &Issue { order: row.order }).await?;
    }
    Ok(())
}
