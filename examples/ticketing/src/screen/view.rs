//! What a screen shows.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    clock::Millis,
    funnel::{Count, Gate},
    ids::SessionId,
    money::Money,
};

/// A sale at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ScreenView {
    /// When this was written.
    pub server_time: Millis,
    /// The session.
    pub session_id: SessionId,
    /// The show.
    pub show_title: String,
    /// The same in Chinese.
    pub show_title_zh: String,
    /// Where it is.
    pub venue: String,
    /// When the performance begins.
    pub starts_at: Millis,
    /// When the sale begins.
    pub sale_opens_at: Millis,
    /// When the sale ends.
    pub sale_closes_at: Millis,
    /// All seats.
    pub seats: SeatSums,
    /// The seats of each part of the house, in the order of the plan.
    pub zones: Vec<ZoneSums>,
    /// Orders by what became of them, as the database has them.
    pub orders: OrderSums,
    /// The waiting room, where the sale has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<Crowd>,
    /// How many came how far. Steps that this sale does not have are left out.
    pub funnel: Vec<StepSum>,
    /// Who was refused where and why, the most frequent first.
    pub refusals: Vec<Refused>,
    /// What happened within the last minutes, and within the last hours.
    pub series: Vec<Series>,
    /// What could not be read lately: its figures are old.
    pub stale: Vec<Part>,
}

/// Seats by their state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct SeatSums {
    /// All of them.
    pub seats: u32,
    /// Free to take.
    pub available: u32,
    /// Held by unpaid orders.
    pub locked: u32,
    /// Paid for.
    pub sold: u32,
}

/// The seats of a part of the house.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ZoneSums {
    /// What the plan calls it.
    pub zone: String,
    /// The same in Chinese, where it has a name of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone_zh: Option<String>,
    /// Its seats.
    #[serde(flatten)]
    pub sums: SeatSums,
}

/// Orders by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct OrderSums {
    /// All that were placed.
    pub placed: u64,
    /// Waiting for their payment.
    pub unpaid: u64,
    /// Paid for, and not given back.
    pub paid: u64,
    /// Given up by their buyers.
    pub cancelled: u64,
    /// Not paid in time.
    pub timed_out: u64,
    /// Paid for and given back.
    pub refunded: u64,
    /// What those cost that are paid for and not given back. Absent where the session has no prices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revenue: Option<Money>,
}

/// A waiting room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Crowd {
    /// In the line.
    pub waiting: u64,
    /// Let in, and not gone yet.
    pub inside: u64,
    /// Most who may be inside.
    pub most_inside: u32,
    /// How many were let in within the last minute, those who filled the empty room not counted.
    pub pace_per_minute: u64,
}

/// How often a step of the funnel was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct StepSum {
    /// The step.
    pub step: Count,
    /// How often.
    pub count: u64,
}

/// How often a refusal happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Refused {
    /// Where.
    pub step: Gate,
    /// The code of the problem, or `declined` for a payment.
    pub code: &'static str,
    /// How often.
    pub count: u64,
}

/// What happened in intervals of one length, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Series {
    /// Length of an interval.
    pub seconds: u32,
    /// When the first one began.
    pub from: Millis,
    /// Orders placed.
    pub placed: Vec<u64>,
    /// Orders paid.
    pub paid: Vec<u64>,
    /// Orders that ended unpaid.
    pub ended: Vec<u64>,
    /// What the paid ones cost, in minor units.
    pub revenue_minor: Vec<u64>,
    /// Let in by the waiting room.
    pub admitted: Vec<u64>,
    /// Refused.
    pub refused: Vec<u64>,
    /// How many waited at the end of the interval; `null` where nobody watched.
    pub waiting: Vec<Option<u64>>,
}

/// A part of a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The seats.
    Seats,
    /// Orders and revenue.
    Orders,
    /// The funnel, the refusals and the charts.
    Counts,
    /// The waiting room.
    Room,
}
