//! What is counted of a sale.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{funnel::Step, problem::Code};

macro_rules! counts {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// Something that happens in a sale.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum Count {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Count {
            /// Everything that is counted, the funnel first and in its order.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The name in the database, in JSON and in metrics.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

counts! {
    /// A page of the sale was opened.
    Visited = "visited",
    /// Somebody reserved.
    Reserved = "reserved",
    /// Somebody took a place in the waiting room.
    Queued = "queued",
    /// The waiting room let somebody in.
    Admitted = "admitted",
    /// Seats were asked for.
    Requested = "requested",
    /// Seats were held.
    Held = "held",
    /// An order was placed.
    Placed = "placed",
    /// An order was paid.
    Paid = "paid",
    /// The buyer gave an order up.
    Cancelled = "cancelled",
    /// Nobody paid an order in time.
    TimedOut = "timed-out",
    /// What paid orders cost, in minor units.
    Revenue = "revenue",
}

impl Count {
    /// From the visit to the payment.
    pub const FUNNEL: [Self; 8] = [
        Self::Visited,
        Self::Reserved,
        Self::Queued,
        Self::Admitted,
        Self::Requested,
        Self::Held,
        Self::Placed,
        Self::Paid,
    ];
}

/// Where a buyer was refused, in the order of the way to a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Gate {
    /// By a step of the admission.
    Admission(Step),
    /// By the way to the seats behind it.
    Order(Hurdle),
}

/// What stands between the admission and a paid seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Hurdle {
    /// The times of the sale, and whether it is on at all.
    Sale,
    /// What was asked for cannot be ordered.
    Request,
    /// The price is another one, or the coupon is not good.
    Price,
    /// The seats, or what one buyer may have of them.
    Seats,
    /// The payment was declined.
    Payment,
    /// The platform could not say.
    Platform,
}

impl Hurdle {
    const ALL: [Self; 6] = [Self::Sale, Self::Request, Self::Price, Self::Seats, Self::Payment, Self::Platform];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Sale => "sale",
            Self::Request => "request",
            Self::Price => "price",
            Self::Seats => "seats",
            Self::Payment => "payment",
            Self::Platform => "platform",
        }
    }

    /// Where an order was refused that the admission had let through.
    #[must_use]
    pub fn of(code: Code) -> Self {
        match code {
            Code::SaleNotOpen | Code::SaleClosed | Code::NotFound => Self::Sale,
            Code::PriceChanged | Code::CouponRefused | Code::NotPriced => Self::Price,
            Code::SeatTaken | Code::NotTogether | Code::TooFewLeft | Code::SoldOut | Code::UserLimit => Self::Seats,
            code if code.status().is_server_error() => Self::Platform,
            _ => Self::Request,
        }
    }
}

impl Gate {
    /// The name in the database, in JSON and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admission(step) => step.as_str(),
            Self::Order(hurdle) => hurdle.as_str(),
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        let steps = Step::ALL.into_iter().map(Self::Admission);
        steps.chain(Hurdle::ALL.map(Self::Order)).find(|gate| gate.as_str() == name)
    }
}

/// A refusal: where, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Refusal {
    gate: Gate,
    reason: &'static str,
}

/// The reason of the one refusal that is another's: the payment provider's.
const DECLINED: &str = "declined";

impl Refusal {
    /// A problem of this code stopped the buyer there.
    #[must_use]
    pub const fn new(gate: Gate, code: Code) -> Self {
        Self { gate, reason: code.as_str() }
    }

    /// The provider declined a payment.
    #[must_use]
    pub const fn declined() -> Self {
        Self { gate: Gate::Order(Hurdle::Payment), reason: DECLINED }
    }

    /// Where.
    #[must_use]
    pub const fn gate(self) -> Gate {
        self.gate
    }

    /// Why: the code of a problem, or `declined`.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        self.reason
    }
}

/// What a number in the database counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// Something that happened.
    Count(Count),
    /// A refusal.
    Refused(Refusal),
}

impl What {
    pub(super) fn name(self) -> String {
        match self {
            Self::Count(count) => count.as_str().to_owned(),
            Self::Refused(Refusal { gate, reason }) => format!("refused:{}:{reason}", gate.as_str()),
        }
    }

    /// Reads a name; `None` for one that only a newer version knows.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let Some(refused) = name.strip_prefix("refused:") else {
            return Count::ALL.iter().find(|count| count.as_str() == name).copied().map(Self::Count);
        };
        let (gate, reason) = refused.split_once(':')?;
        let mut known = Code::ALL.iter().map(|code| code.as_str()).chain([DECLINED]);
        Some(Self::Refused(Refusal { gate: Gate::from_name(gate)?, reason: known.find(|known| *known == reason)? }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_no_two_gates_share_one() {
        let gates: Vec<Gate> = Step::ALL.into_iter().map(Gate::Admission).chain(Hurdle::ALL.map(Gate::Order)).collect();
        let names: std::collections::BTreeSet<_> = gates.iter().map(|gate| gate.as_str()).collect();
        assert_eq!(names.len(), gates.len());
        for gate in gates {
            assert_eq!(serde_json::to_value(gate).unwrap(), gate.as_str());
            let what = What::Refused(Refusal::new(gate, Code::SeatTaken));
            assert_eq!(What::from_name(&what.name()), Some(what));
        }
        let declined = What::Refused(Refusal::declined());
        assert_eq!(What::from_name(&declined.name()), Some(declined));
        for count in Count::ALL {
            assert_eq!(What::from_name(count.as_str()), Some(What::Count(*count)));
            assert_eq!(serde_json::to_value(count).unwrap(), count.as_str());
        }
        for unknown in ["", "refused", "refused:seats", "refused:nowhere:seat-taken", "refused:seats:of-another-time"] {
            assert_eq!(What::from_name(unknown), None, "{unknown}");
        }
        assert_eq!(Hurdle::of(Code::Unavailable), Hurdle::Platform);
        assert_eq!(Hurdle::of(Code::UnknownSeat), Hurdle::Request);
    }
}
