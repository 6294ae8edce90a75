//! Taking the money of an order: begun, settled and written into the till's journal in one transaction. A crash leaves an order
//! that is paid, or one that is not, and never money without either.

use super::ring::{Rung, Taking, ring};
use crate::{
    ids::UserId,
    order::{sale_of, storage as orders},
    payment::{
        Payments,
        storage::{self as payments_of, PaymentRow, PaymentState},
    },
    problem::{Problem, Result},
    storage::Database,
};

/// Takes the money of an order that was made at a counter. Asked again, it is the same payment.
///
/// # Errors
///
/// [`Code::InvalidValue`](crate::problem::Code::InvalidValue) when it is another amount than the order's;
/// [`Code::AlreadyPaid`](crate::problem::Code::AlreadyPaid) when it was paid otherwise,
/// [`Code::OrderExpired`](crate::problem::Code::OrderExpired) or [`Code::OrderState`](crate::problem::Code::OrderState) when it
/// cannot be paid; [`Code::TillClosed`](crate::problem::Code::TillClosed) when the clerk's till was counted;
/// [`Code::SeatTaken`](crate::problem::Code::SeatTaken) when a seat was sold to somebody else. Nothing is taken then.
///
/// # Cancel safety
///
/// Taken or not; asking again finds out.
pub async fn take_money(database: &Database, payments: &Payments, taking: Taking) -> Result<Rung> {
    let settling = payments.clone();
    let paid = database
        .write
        .run::<_, Problem, _>(move |connection| {
            Box::pin(async move {
                let unknown = || Problem::not_found("order");
                let order = orders::lock(connection, taking.order).await?.ok_or_else(unknown)?;
                let sale = sale_of(&mut *connection, order.id).await?.ok_or_else(unknown)?.sale;
                let method = taking.method.as_str();
                let before = payments_of::of_order(&mut *connection, order.id).await?;
                let same =
                    |payment: &PaymentRow| payment.state == PaymentState::Succeeded && payment.provider == method;
                if order.state.owns_seats() && before.iter().any(same) {
                    return Ok(None);
                }
                let taken = (method, taking.amount);
                let paid = settling.settle_at_once(connection, order, UserId::COUNTER, taken).await?;
                ring(connection, &paid.payment, &sale, &taking).await?;
                Ok(Some(paid))
            })
        })
        .await?;
    let Some(paid) = paid else { return Ok(Rung::Before) };
    payments.settled(&paid);
    Ok(Rung::Taken)
}
