//! Waiting rooms: so many buyers are inside a sale at a time, the others wait in a fair line.

mod batch;
mod memory;
mod redis;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use thiserror::Error;

pub use self::{batch::Rooms, memory::MemoryRoom, redis::RedisRoom};
use super::policy::Room;
use crate::{
    clock::Millis,
    ids::{SessionId, UserId},
};

/// Pace is measured over this time.
pub const PACE: Duration = Duration::from_secs(60);

/// What holds in the waiting room of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Nobody is let in before.
    pub opens_at: Millis,
    /// Most inside at a time.
    pub admitted: u32,
    /// How long somebody may stay inside.
    pub stay: Duration,
    /// How long somebody who is not heard of keeps the place: in the line, and when let in meanwhile.
    pub grace: Duration,
}

impl Rules {
    /// The rules of this policy for a sale that opens at `opens_at`.
    #[must_use]
    pub fn new(room: &Room, opens_at: Millis) -> Self {
        Self { opens_at, admitted: room.admitted, stay: room.stay(), grace: room.grace() }
    }
}

/// Where somebody stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// In the line, behind so many.
    Waiting {
        /// How many come before.
        ahead: u64,
    },
    /// Inside, for so long.
    Inside {
        /// Time that is left.
        left: Duration,
    },
    /// Neither.
    Away,
}

/// A room as it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crowd {
    /// How many wait.
    pub waiting: u64,
    /// How many are inside.
    pub inside: u64,
    /// How many were let in within the last [`PACE`], those who filled the empty room not counted.
    pub pace: u64,
}

impl Crowd {
    /// How long somebody with so many people ahead will wait, going by the pace; `None` while there is none.
    #[must_use]
    pub fn wait(&self, ahead: u64) -> Option<Duration> {
        let seconds = ahead.saturating_add(1).saturating_mul(PACE.as_secs()).checked_div(self.pace)?;
        Some(Duration::from_secs(seconds))
    }
}

/// The answer to those who asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The room.
    pub crowd: Crowd,
    /// Where each of those who asked stands, in their order.
    pub standings: Vec<Standing>,
    /// How many of them took a place in the line with this call.
    pub queued: u64,
    /// How many the room let in with this call, whoever they are.
    pub let_in: u64,
}

/// The room could not say. Nobody is let in then.
#[derive(Clone, Debug, Error)]
#[error("the waiting room cannot be reached")]
pub struct RoomError(#[source] pub Arc<dyn std::error::Error + Send + Sync>);

impl RoomError {
    fn saying(text: &'static str) -> Self {
        Self(Arc::from(Box::<dyn std::error::Error + Send + Sync>::from(text)))
    }
}

/// What buyers come to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Wait, or show that one still does.
    Join,
    /// Look only.
    Look,
    /// Give up the place in the line or inside.
    Leave,
}

/// The rooms of all sessions.
///
/// # Contract
/// - `room_lets_in_so_many`: never more than `admitted` are inside; of those who wait, the first go in.
/// - `room_admits_the_next_when_one_leaves`: whoever leaves, or whose time is over, makes room for the next in the line.
/// - `room_keeps_the_order_of_coming`: after the opening, whoever comes first is first.
/// - `room_shuffles_those_who_come_early`: before the opening nobody is let in, and the place does not depend on when
///   somebody came; who leaves and comes again has the same place.
/// - `room_forgets_who_does_not_ask`: who has not asked for `grace` has lost the place; who was let in and has not asked
///   since loses that as well.
/// - `room_answers_a_batch`: many may ask in one call; answers are in their order.
/// - `room_keeps_sessions_apart`: rooms of different sessions know nothing of each other.
/// - `room_looks_without_joining`: a look changes nobody's place and keeps none.
/// - `room_measures_its_pace`: counts who was let in lately, beyond those who filled it.
/// - `room_counts_everybody_once`: of all answers together, `queued` counts each place that was taken, and `let_in` each
///   admission; who only asks again is not counted.
#[async_trait]
pub trait WaitingRoom: std::fmt::Debug + Send + Sync {
    /// Lets these people do their errand in the room of a session, in one step, and lets in whoever may go in.
    ///
    /// # Errors
    ///
    /// [`RoomError`] when the room cannot be reached.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open whether the errand was done; it may be repeated.
    async fn visit(
        &self,
        session: SessionId,
        rules: &Rules,
        errand: Errand,
        users: &[UserId],
    ) -> Result<Answer, RoomError>;
}
