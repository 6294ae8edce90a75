//! Money that a clerk takes, into a till.

use super::{
    domain::Method,
    till::{self, Entry, Kind},
};
use crate::{
    clock::Millis,
    day,
    ids::{OrderId, UserId},
    money::Money,
    order::Sale,
    payment::storage::PaymentRow,
    problem::Result,
    storage::Connection,
};

/// A clerk takes the money of an order.
#[derive(Clone, Debug)]
pub struct Taking {
    /// The order.
    pub order: OrderId,
    /// Who takes it.
    pub clerk: UserId,
    /// How it comes.
    pub method: Method,
    /// How much the clerk took.
    pub amount: Money,
    /// What the card terminal printed.
    pub reference: Option<String>,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// The order is paid, and the money is in the till.
    Taken,
    /// It was before, in this way.
    Before,
}

/// Writes a payment into the journal of the clerk's till, in the transaction that settles it.
///
/// # Errors
///
/// [`Code::TillClosed`](crate::problem::Code::TillClosed), or the database failed.
pub(crate) async fn ring(
    connection: &mut Connection<'_>,
    payment: &PaymentRow,
    sale: &Sale,
    taking: &Taking,
) -> Result<()> {
    let day = day::of(Millis::now())?;
    let (merchant, currency) = (sale.merchant.clone(), payment.amount.currency);
    let key = till::Key { merchant, clerk: taking.clerk, day, currency };
    if till::lock(connection, &key).await?.closing.is_some() {
        return Err(till::closed());
    }
    let entry = Entry {
        id: payment.id.to_string(),
        kind: Kind::Sale,
        merchant: key.merchant,
        clerk: taking.clerk,
        day: day.to_string(),
        method: taking.method,
        order: payment.order,
        payment: payment.id,
        amount: payment.amount,
        channel: sale.channel,
        commission_bp: sale.commission_bp,
        reference: taking.reference.clone(),
    };
    till::write(connection, &entry).await
}
