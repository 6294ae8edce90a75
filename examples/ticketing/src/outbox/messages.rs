//! What is handed on: how the seats of an order follow it, what becomes of its money and its tickets, and when its time is over.

use serde::{Deserialize, Serialize};

use super::Recorded;
use crate::ids::{OrderId, SessionId};

/// Queue of [`Follow`].
pub const FOLLOW: &str = "ledger.follow";
/// Queue of [`Refund`].
pub const REFUND: &str = "payment.refund";
/// Queue of [`Issue`].
pub const ISSUE: &str = "ticket.issue";
/// Queue of [`Timeout`].
pub const TIMEOUT: &str = "order.timeout";
/// Queue of [`Notice`](super::Notice).
pub const NOTICE: &str = "notice.send";
/// Queue of reminders that a sale opens soon.
pub const REMIND: &str = "wanted.remind";

/// The queues whose messages are recorded in the outbox.
pub(super) const RECORDED: [&str; 5] = [FOLLOW, ISSUE, REFUND, NOTICE, REMIND];

/// The seat ledger has to follow the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follow {
    /// The session.
    pub session: SessionId,
    /// The order whose seats change.
    pub order: OrderId,
    /// How they change.
    pub step: Step,
}

/// How the seats of an order change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// LOCKED → SOLD.
    Sell,
    /// LOCKED → AVAILABLE.
    Release,
    /// SOLD → AVAILABLE.
    Refund,
}

/// Money goes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    /// The refund. Messages of an earlier version name the charge by the provider's name for it.
    #[serde(alias = "txn")]
    pub refund: String,
}

/// A paid order gets its tickets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    /// The order.
    pub order: OrderId,
}

/// The time to pay an order is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeout {
    /// The order.
    pub order: OrderId,
}

impl Recorded for Follow {
    const QUEUE: &'static str = FOLLOW;

    fn id(&self) -> String {
        let step = match self.step {
            Step::Sell => "sell",
            Step::Release => "release",
            Step::Refund => "refund",
        };
        format!("{step}:{}", self.order)
    }
}

impl Recorded for Refund {
    const QUEUE: &'static str = REFUND;

    fn id(&self) -> String {
        self.refund.clone()
    }
}

impl Recorded for Issue {
    const QUEUE: &'static str = ISSUE;

    fn id(&self) -> String {
        self.order.to_string()
    }
}
