//! What can be bound to a parameter.

use crate::ids::{
    AddressId, ContactId, CouponId, OrderId, PaymentId, PlanId, RefundId, SessionId, ShowId, TicketId, UserId, VenueId,
};

/// A parameter's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// An integer, a number of something, a time, an amount of minor units.
    Integer(Option<i64>),
    /// A coordinate.
    Real(Option<f64>),
    /// A text, or an identifier.
    Text(Option<String>),
}

macro_rules! values {
    ($($kind:ident: $($from:ty),+;)+) => {$($(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$kind(Some(value.into()))
            }
        }

        impl From<Option<$from>> for Value {
            fn from(value: Option<$from>) -> Self {
                Self::$kind(value.map(Into::into))
            }
        }
    )+)+};
}

values! {
    Integer: i64, u32, bool;
    Real: f64;
    Text: String, &str, &String;
}

macro_rules! ids {
    ($($id:ty),+) => {$(
        impl From<$id> for Value {
            fn from(id: $id) -> Self {
                Self::Text(Some(id.to_string()))
            }
        }

        impl From<Option<$id>> for Value {
            fn from(id: Option<$id>) -> Self {
                Self::Text(id.map(|id| id.to_string()))
            }
        }
    )+};
}

ids!(
    AddressId, ContactId, CouponId, OrderId, PaymentId, PlanId, RefundId, SessionId, ShowId, TicketId, UserId, VenueId
);
