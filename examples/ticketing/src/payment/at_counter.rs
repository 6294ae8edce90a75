//! Money that a clerk takes: begun, settled and written into the till's journal in one transaction. A crash leaves an order that
//! is paid, or one that is not, and never money without either.

use super::{
    provider::Taken,
    service::{Outcome, Payments, Report, Settlement, payable, settle_order},
    storage::{self, PaymentRow, PaymentState},
};
use crate::{
    counter::{self, Rung, Taking},
    ids::{PaymentId, UserId},
    order::{
        OrderState,
        storage::{self as orders, OrderRow},
    },
    problem::{Code, Problem, Result},
};

impl Payments {
    /// Takes the money of an order that was made at a counter. Asked again, it is the same payment.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidValue`] when it is another amount than the order's; [`Code::AlreadyPaid`] when it was paid otherwise,
    /// [`Code::OrderExpired`] or [`Code::OrderState`] when it cannot be paid; [`Code::TillClosed`] when the clerk's till was
    /// counted; [`Code::SeatTaken`] when a seat was sold to somebody else. Nothing is taken then.
    ///
    /// # Cancel safety
    ///
    /// Taken or not; asking again finds out.
    pub async fn take(&self, taking: Taking) -> Result<Rung> {
        let outbox = self.outbox.clone();
        let (order, rung) = self
            .database
            .write
            .run::<_, Problem, _>(move |connection| {
                Box::pin(async move {
                    let unknown = || Problem::not_found("order");
                    let order = orders::lock(connection, taking.order).await?.ok_or_else(unknown)?;
                    let sale = counter::sale_of(&mut *connection, order.id).await?.ok_or_else(unknown)?.sale;
                    let method = taking.method.as_str();
                    let before = storage::of_order(&mut *connection, order.id).await?;
                    let same =
                        |payment: &PaymentRow| payment.state == PaymentState::Succeeded && payment.provider == method;
                    if order.state.owns_seats() && before.iter().any(same) {
                        return Ok((order, Rung::Before));
                    }
                    let order = payable(Some(order), UserId::COUNTER)?;
                    if taking.amount != order.total {
                        let detail = format!("The order costs {}.", order.total);
                        return Err(Problem::invalid("amount", detail).with("total", order.total));
                    }
                    if order.state == OrderState::Locked {
                        let reason = "payment begun";
                        orders::transition(connection, order.id, order.state, OrderState::Paying, reason).await?;
                    }
                    let id = PaymentId::new();
                    storage::insert(connection, id, order.id, method, order.total).await?;
                    let (provider, amount) = (method.to_owned(), order.total);
                    let state = PaymentState::Pending;
                    let payment = PaymentRow { id, order: order.id, state, provider, amount, txn: None };
                    let paying = OrderRow { state: OrderState::Paying, ..order };
                    let outcome = Outcome::Paid(Taken { txn: format!("{method}-{id}"), amount });
                    let report = Report { payment: id, outcome, notification: None };
                    if settle_order(connection, &outbox, &report, &payment, &paying).await? != Settlement::Paid {
                        // The clerk gives the money back, and nothing of it is written down.
                        return Err(Problem::new(Code::SeatTaken, "A seat of this order is somebody else's by now."));
                    }
                    counter::ring(connection, &payment, &sale, &taking).await?;
                    Ok((paying, Rung::Taken))
                })
            })
            .await?;
        if rung == Rung::Taken {
            self.outbox.wake();
            self.count(Settlement::Paid, &order);
        }
        Ok(rung)
    }
}
