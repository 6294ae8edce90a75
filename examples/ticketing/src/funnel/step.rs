//! The steps of the admission, by name.

use serde::Serialize;
use utoipa::ToSchema;

/// A step of the chain, in its order: the cheapest refusal first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// A flag in memory.
    SoldOut,
    /// A table in memory.
    Blacklist,
    /// Counters of orders.
    Limits,
    /// Counters of requests.
    Behaviour,
    /// A signature.
    Qualification,
    /// A filter in memory; those who pass it are looked up.
    Reservation,
    /// A signature, when it was asked for.
    Slider,
    /// A signature; those who have one are looked up.
    WaitingRoom,
}

impl Step {
    /// All of them, in their order.
    pub const ALL: [Self; 8] = [
        Self::SoldOut,
        Self::Blacklist,
        Self::Limits,
        Self::Behaviour,
        Self::Qualification,
        Self::Reservation,
        Self::Slider,
        Self::WaitingRoom,
    ];

    /// Its name in JSON and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SoldOut => "sold-out",
            Self::Blacklist => "blacklist",
            Self::Limits => "limits",
            Self::Behaviour => "behaviour",
            Self::Qualification => "qualification",
            Self::Reservation => "reservation",
            Self::Slider => "slider",
            Self::WaitingRoom => "waiting-room",
        }
    }
}
