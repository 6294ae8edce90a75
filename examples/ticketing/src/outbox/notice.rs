//! What there is to tell.

use serde::{Deserialize, Serialize};

use super::{Recorded, messages::NOTICE};
use crate::ids::{OrderId, RefundId};

/// Something happened to an order, and its buyer is to hear of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The order.
    pub order: OrderId,
    /// What happened.
    pub topic: Topic,
    /// The refund, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund: Option<RefundId>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// Its tickets are there.
    TicketsIssued,
    /// It ended unpaid.
    Ended,
    /// It ended unpaid, since the authority refused a name.
    EndedByName,
    /// Its money is asked back, since the authority refused a name.
    ReturnedByName,
    /// The staff agreed to give its money back.
    RefundAgreed,
    /// Its money does not go back.
    RefundRefused,
    /// Its money went back.
    RefundDone,
    /// The sale of a show that somebody wants to see opens soon. It is about no order.
    SaleOpens,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::TicketsIssued,
        Self::Ended,
        Self::EndedByName,
        Self::ReturnedByName,
        Self::RefundAgreed,
        Self::RefundRefused,
        Self::RefundDone,
        Self::SaleOpens,
    ];

    /// Its name, which is that of its template as well.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TicketsIssued => "tickets-issued",
            Self::Ended => "order-ended",
            Self::EndedByName => "order-ended-name",
            Self::ReturnedByName => "refund-name",
            Self::RefundAgreed => "refund-agreed",
            Self::RefundRefused => "refund-refused",
            Self::RefundDone => "refund-done",
            Self::SaleOpens => "sale-opens",
        }
    }
}

impl Notice {
    /// About an order.
    #[must_use]
    pub const fn order(order: OrderId, topic: Topic) -> Self {
        Self { order, topic, refund: None }
    }

    /// About a refund of an order.
    #[must_use]
    pub const fn refund(order: OrderId, refund: RefundId, topic: Topic) -> Self {
        Self { order, topic, refund: Some(refund) }
    }
}

impl Recorded for Notice {
    const QUEUE: &'static str = NOTICE;

    /// The same for the same event, so that it is told once: an order may be asked back, refused, and asked back again.
    fn id(&self) -> String {
        match self.refund {
            Some(refund) => format!("{}:{refund}", self.topic.as_str()),
            None => format!("{}:{}", self.topic.as_str(), self.order),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_an_identity_of_its_own() {
        let (order, refund) = (OrderId::new(), RefundId::new());
        let all = Topic::ALL
            .into_iter()
            .flat_map(|topic| [Notice { order, topic, refund: None }, Notice { order, topic, refund: Some(refund) }]);
        let ids: std::collections::BTreeSet<_> = all.map(|notice| notice.id()).collect();
        assert_eq!(ids.len(), 2 * Topic::ALL.len());
    }
}
