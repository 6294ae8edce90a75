//! What an order may become.

use serde::{Deserialize, Serialize};

/// State of an order.
///
/// ```text
/// INIT ─► LOCKED ─► PAYING ─► PAID ─► ISSUED ─► COMPLETED
///           │         │        │        ├─► RESCHEDULED
///           ▼         ▼        ▼        ▼
///      CANCELLED, TIMEOUT_CANCELLED   REFUNDING ─► REFUNDED
/// ```
///
/// A PAYING order ends unpaid only after its charge was closed at the payment provider. A refused refund leads from
/// REFUNDING back to where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderState {
    /// Asked for; seats not yet held.
    Init,
    /// Seats held, waiting for payment.
    Locked,
    /// A payment was begun.
    Paying,
    /// Paid for; the seats are sold.
    Paid,
    /// Tickets handed out.
    Issued,
    /// The show is over.
    Completed,
    /// Ended by the buyer.
    Cancelled,
    /// Ended because nobody paid in time.
    TimeoutCancelled,
    /// Money is on its way back.
    Refunding,
    /// Money returned, seats freed.
    Refunded,
    /// Replaced by an order for another session.
    Rescheduled,
}

impl OrderState {
    /// Every state.
    pub const ALL: [Self; 11] = [
        Self::Init,
        Self::Locked,
        Self::Paying,
        Self::Paid,
        Self::Issued,
        Self::Completed,
        Self::Cancelled,
        Self::TimeoutCancelled,
        Self::Refunding,
        Self::Refunded,
        Self::Rescheduled,
    ];

    /// The name in the database and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Init => "INIT",
            Self::Locked => "LOCKED",
            Self::Paying => "PAYING",
            Self::Paid => "PAID",
            Self::Issued => "ISSUED",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
            Self::TimeoutCancelled => "TIMEOUT_CANCELLED",
            Self::Refunding => "REFUNDING",
            Self::Refunded => "REFUNDED",
            Self::Rescheduled => "RESCHEDULED",
        }
    }

    /// Reads a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether an order may go from this state to `next`.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        use OrderState::{
            Cancelled, Completed, Init, Issued, Locked, Paid, Paying, Refunded, Refunding, Rescheduled,
            TimeoutCancelled,
        };
        matches!(
            (self, next),
            (Init, Locked)
                | (Locked, Paying | Cancelled | TimeoutCancelled)
                | (Paying, Paid | Cancelled | TimeoutCancelled)
                | (Paid, Issued | Refunding)
                | (Issued, Completed | Refunding | Rescheduled)
                | (Refunding, Refunded | Paid | Issued)
        )
    }

    /// Whether an unpaid order in this state keeps its seats.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Self::Locked | Self::Paying)
    }

    /// Whether the order in this state took a payment, which may have gone back since.
    #[must_use]
    pub fn was_paid(self) -> bool {
        self.owns_seats() || matches!(self, Self::Refunded | Self::Rescheduled)
    }

    /// Whether the order in this state was paid for and owns its seats.
    #[must_use]
    pub fn owns_seats(self) -> bool {
        matches!(self, Self::Paid | Self::Issued | Self::Completed | Self::Refunding)
    }
}

/// Why an unpaid order ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The buyer gave up.
    ByBuyer,
    /// The time to pay is over.
    Timeout,
    /// An authority refused a name that could not be checked when the order was placed.
    NameRefused,
}

impl Ending {
    /// The state that the order ends in.
    #[must_use]
    pub fn state(self) -> OrderState {
        match self {
            Self::ByBuyer | Self::NameRefused => OrderState::Cancelled,
            Self::Timeout => OrderState::TimeoutCancelled,
        }
    }

    /// The reason in the order's history.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::ByBuyer => "cancelled by the buyer",
            Self::Timeout => "not paid in time",
            Self::NameRefused => "a name was refused by the authority",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for state in OrderState::ALL {
            assert_eq!(OrderState::from_name(state.as_str()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }

    #[test]
    fn nothing_leads_back_to_the_beginning_and_ends_are_ends() {
        for state in OrderState::ALL {
            assert!(!state.may_become(OrderState::Init));
            assert!(!state.may_become(state));
            for end in [
                OrderState::Cancelled,
                OrderState::TimeoutCancelled,
                OrderState::Refunded,
                OrderState::Completed,
                OrderState::Rescheduled,
            ] {
                assert!(!end.may_become(state), "{end:?} -> {state:?}");
            }
        }
    }

    #[test]
    fn only_a_paying_order_is_paid() {
        let before: Vec<_> = OrderState::ALL.into_iter().filter(|s| s.may_become(OrderState::Paid)).collect();
        assert_eq!(before, [OrderState::Paying, OrderState::Refunding]);
        assert!(!OrderState::Locked.may_become(OrderState::Paid));
    }
}
