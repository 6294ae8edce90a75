//! The end of an unpaid order: the database first, then the ledger follows.

use super::{
    service::Payments,
    storage::{self, PaymentState},
};
use crate::{
    clock::Millis,
    funnel::Count,
    ids::OrderId,
    marketing::coupon,
    order::{
        Ending, OrderState,
        storage::{self as orders, OrderRow},
    },
    outbox::{Notice, Step, Topic},
    problem::{Problem, Result},
};

/// How often an end is begun again because the buyer began yet another payment meanwhile.
const ATTEMPTS: usize = 5;

/// How an attempt to end an order went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The order has ended, now or before; this is its state.
    Ended(OrderState),
    /// It was paid: it does not end.
    Paid(OrderState),
    /// Its time to pay lasts until then.
    NotYet(Millis),
}

impl Payments {
    /// Ends an unpaid order. A charge that is open at the provider is closed first, so that nobody pays for seats that
    /// are given away; when it proves to be paid, the order is settled instead.
    ///
    /// # Errors
    ///
    /// When the provider or the database cannot be asked; the order then stays as it is, to be ended later.
    pub async fn end(&self, order: OrderId, ending: Ending) -> Result<Ended> {
        for _ in 0..ATTEMPTS {
            let row = orders::find_any(&self.database.read, order).await?.ok_or_else(|| Problem::not_found("order"))?;
            if row.state.owns_seats() {
                return Ok(Ended::Paid(row.state));
            }
            if !row.state.is_live() {
                return Ok(Ended::Ended(row.state));
            }
            if ending == Ending::Timeout && row.expires_at > Millis::now() {
                return Ok(Ended::NotYet(row.expires_at));
            }
            if row.state == OrderState::Paying {
                for payment in storage::of_order(&self.database.read, order).await? {
                    if payment.state == PaymentState::Pending {
                        self.close(&payment).await?;
                    }
                }
            }
            if self.end_if_unpaid(row, ending).await? {
                return Ok(Ended::Ended(ending.state()));
            }
        }
        Err(Problem::unavailable("the order changed again and again while it was ended"))
    }

    /// `false` when the order changed, or has a payment that is not closed.
    async fn end_if_unpaid(&self, row: OrderRow, ending: Ending) -> Result<bool> {
        let (outbox, session) = (self.outbox.clone(), row.session);
        let ended = self
            .database
            .write
            .run(move |connection| {
                Box::pin(async move {
                    orders::lock(connection, row.id).await?;
                    let payments = storage::of_order(&mut *connection, row.id).await?;
                    let open = |state| matches!(state, PaymentState::Pending | PaymentState::Succeeded);
                    if payments.iter().any(|payment| open(payment.state)) {
                        return Ok(false);
                    }
                    let (to, reason) = (ending.state(), ending.reason());
                    if !orders::transition(connection, row.id, row.state, to, reason).await? {
                        return Ok(false);
                    }
                    coupon::give_back(connection, row.id, coupon::Ended::Unpaid).await?;
                    outbox.record(connection, &row.follow(Step::Release)).await?;
                    let topic = match ending {
                        Ending::ByBuyer | Ending::Timeout => Topic::Ended,
                        Ending::NameRefused => Topic::EndedByName,
                    };
                    outbox.record(connection, &Notice::order(row.id, topic)).await?;
                    Ok::<_, Problem>(true)
                })
            })
            .await?;
        if ended {
            self.outbox.wake();
            metrics::counter!("ticketing_orders_ended_total", "state" => ending.state().as_str()).increment(1);
            self.funnel.count(
                session,
                match ending {
                    Ending::ByBuyer | Ending::NameRefused => Count::Cancelled,
                    Ending::Timeout => Count::TimedOut,
                },
            );
        }
        Ok(ended)
    }
}
