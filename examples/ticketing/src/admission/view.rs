//! What buyers see of admission.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    policy::{Policy, Room},
    room::{Crowd, Standing},
};
use crate::{clock::Millis, funnel::Step, identity::RealName, ids::SessionId};

/// What a sale asks, and where this buyer stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AdmissionView {
    pub(super) session_id: SessionId,
    pub(super) server_time: Millis,
    pub(super) sale_opens_at: Millis,
    pub(super) sale_closes_at: Millis,
    /// The steps that are on, in their order.
    pub(super) steps: Vec<Step>,
    /// Nothing is left at the moment.
    pub(super) sold_out: bool,
    /// Whose names an order has, if it has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) real_name: Option<RealName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reservation: Option<ReservationView>,
    /// Only for those who are signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) waiting_room: Option<WaitingView>,
}

/// A reservation.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReservationView {
    /// Whether it can be made or taken back now.
    pub(super) open: bool,
    /// Until when.
    pub(super) closes_at: Millis,
    /// Whether this buyer has one; absent for those who are not signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reserved: Option<bool>,
    /// To be sent with the order as `Qualification-Token`, where the sale asks for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<String>,
}

/// Where somebody stands in a waiting room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Place {
    /// The sale has no waiting room.
    NotNeeded,
    /// Neither in the line nor inside.
    Away,
    /// In the line.
    Waiting,
    /// Let in.
    Inside,
}

/// A place in a waiting room.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WaitingView {
    pub(super) state: Place,
    /// How many come before. Before the sale opens nobody knows: places are drawn then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ahead: Option<u64>,
    /// How many wait.
    pub(super) waiting: u64,
    /// How many are inside.
    pub(super) inside: u64,
    /// How long it will take, going by how many were let in within the last minute. Absent while nobody can say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) wait_seconds: Option<u64>,
    pub(super) opens_at: Millis,
    pub(super) server_time: Millis,
    /// Ask again after this time.
    pub(super) poll_after_ms: u64,
    /// Who does not ask for so long loses the place.
    pub(super) grace_seconds: u32,
    /// Until when somebody inside may order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<Millis>,
    /// To be sent with the order as `Admission-Token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<String>,
}

impl WaitingView {
    /// For a sale without a room.
    pub(super) fn not_needed(opens_at: Millis) -> Self {
        Self::new(Place::NotNeeded, &Room::default(), Crowd::default(), opens_at)
    }

    /// For somebody who stands so.
    pub(super) fn of(room: &Room, standing: Standing, crowd: Crowd, opens_at: Millis) -> Self {
        match standing {
            Standing::Away => Self::new(Place::Away, room, crowd, opens_at),
            Standing::Inside { left } => {
                Self { until: Some(Millis::now().plus(left)), ..Self::new(Place::Inside, room, crowd, opens_at) }
            }
            Standing::Waiting { ahead } => {
                let view = Self::new(Place::Waiting, room, crowd, opens_at);
                if view.server_time < opens_at {
                    return view;
                }
                Self { ahead: Some(ahead), wait_seconds: crowd.wait(ahead).map(|wait| wait.as_secs()), ..view }
            }
        }
    }

    fn new(state: Place, room: &Room, crowd: Crowd, opens_at: Millis) -> Self {
        Self {
            state,
            ahead: None,
            waiting: crowd.waiting,
            inside: crowd.inside,
            wait_seconds: None,
            opens_at,
            server_time: Millis::now(),
            poll_after_ms: u64::try_from(pause(room, crowd).as_millis()).unwrap_or(u64::MAX),
            grace_seconds: room.grace_seconds,
            until: None,
            token: None,
        }
    }
}

/// The more wait the more seldom each asks, but three times within the grace.
fn pause(room: &Room, crowd: Crowd) -> Duration {
    let pause = Duration::from_millis(1_500 + crowd.waiting.min(100_000) / 20);
    pause.min(room.grace() / 3)
}

/// The steps of a policy, in their order.
pub(super) fn steps(policy: &Policy) -> Vec<Step> {
    [
        (policy.sold_out, Step::SoldOut),
        (policy.blacklist, Step::Blacklist),
        (policy.limits, Step::Limits),
        (policy.behaviour, Step::Behaviour),
        (policy.qualification, Step::Qualification),
        (policy.reservation, Step::Reservation),
        (policy.slider, Step::Slider),
        (policy.room.is_some(), Step::WaitingRoom),
    ]
    .into_iter()
    .filter_map(|(on, step)| on.then_some(step))
    .collect()
}
