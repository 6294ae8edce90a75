//! Money that is there already when a payment begins: begun and settled in one transaction of whoever has taken it.

use super::{
    provider::Taken,
    service::{Outcome, Payments, Report, Settlement, payable, settle_order},
    storage::{self, PaymentRow, PaymentState},
};
use crate::{
    ids::{PaymentId, UserId},
    money::Money,
    order::{
        OrderState,
        storage::{self as orders, OrderRow},
    },
    problem::{Code, Problem, Result},
    storage::Connection,
};

/// A payment that was begun and settled in one transaction.
#[derive(Debug)]
pub(crate) struct AtOnce {
    pub(crate) payment: PaymentRow,
    order: OrderRow,
}

impl Payments {
    /// Pays an order that is [locked](orders::lock) in this transaction. After an error nothing of the transaction may stay.
    ///
    /// # Errors
    ///
    /// [`Code::AlreadyPaid`], [`Code::OrderExpired`] or [`Code::OrderState`] when it cannot be paid; [`Code::InvalidValue`] when
    /// another amount was taken than it costs; [`Code::SeatTaken`] when a seat was sold to somebody else; or the database failed.
    pub(crate) async fn settle_at_once(
        &self,
        connection: &mut Connection<'_>,
        order: OrderRow,
        buyer: UserId,
        (provider, taken): (&'static str, Money),
    ) -> Result<AtOnce> {
        let order = payable(Some(order), buyer)?;
        if taken != order.total {
            let detail = format!("The order costs {}.", order.total);
            return Err(Problem::invalid("amount", detail).with("total", order.total));
        }
        if order.state == OrderState::Locked {
            orders::transition(connection, order.id, order.state, OrderState::Paying, "payment begun").await?;
        }
        let (id, amount) = (PaymentId::new(), order.total);
        storage::insert(connection, id, order.id, provider, amount).await?;
        let state = PaymentState::Pending;
        let payment = PaymentRow { id, order: order.id, state, provider: provider.to_owned(), amount, txn: None };
        let order = OrderRow { state: OrderState::Paying, ..order };
        let outcome = Outcome::Paid(Taken { txn: format!("{provider}-{id}"), amount });
        let report = Report { payment: id, outcome, notification: None };
        if settle_order(connection, &self.outbox, &report, &payment, &order).await? != Settlement::Paid {
            // Whoever took the money gives it back, and nothing of it is written down.
            return Err(Problem::new(Code::SeatTaken, "A seat of this order is somebody else's by now."));
        }
        Ok(AtOnce { payment, order })
    }

    /// Call it after the commit: workers look at once, and it is counted.
    pub(crate) fn settled(&self, paid: &AtOnce) {
        self.outbox.wake();
        self.count(Settlement::Paid, &paid.order);
    }
}
