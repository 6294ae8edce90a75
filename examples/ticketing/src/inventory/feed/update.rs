//! What listeners get.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;

use crate::{
    ids::SeatPosition,
    inventory::{Counts, Cursor, SeatState},
};

/// An item of the live stream.
#[derive(Clone, Debug)]
pub enum Update {
    /// Seats changed.
    Seats(Arc<Batch>),
    /// Changes were missed: take a new snapshot, and go on listening.
    Reset,
}

/// The changes of a short while: the last state of each seat that changed.
#[derive(Debug)]
pub struct Batch {
    /// Where a stream that has seen this goes on.
    pub cursor: Cursor,
    /// The new states, by position.
    pub seats: Vec<(SeatPosition, SeatState)>,
    /// The session's counts.
    pub counts: Counts,
    /// Seats and counts as JSON, written once for all listeners.
    pub json: String,
}

/// Counts as the HTTP interface gives them.
#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct CountsView {
    seats: u32,
    available: u32,
    locked: u32,
    sold: u32,
}

/// `seats` of the live stream.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = SeatsEvent)]
pub(crate) struct BatchView<'a> {
    /// Position and new state of each seat that changed.
    #[schema(value_type = Vec<(u32, String)>, example = json!([[4711, "L"], [4712, "A"]]))]
    seats: &'a [(SeatPosition, SeatState)],
    counts: CountsView,
}

impl Batch {
    pub(super) fn new(cursor: Cursor, seats: Vec<(SeatPosition, SeatState)>, counts: Counts) -> Arc<Self> {
        let view = BatchView { seats: &seats, counts: counts.into() };
        // Numbers and letters can always be written.
        let json = serde_json::to_string(&view).unwrap_or_default();
        Arc::new(Self { cursor, seats, counts, json })
    }
}

impl From<Counts> for CountsView {
    fn from(counts: Counts) -> Self {
        Self { seats: counts.seats, available: counts.available(), locked: counts.locked, sold: counts.sold }
    }
}

/// The last state of each seat; `None` if there is none.
pub(super) fn coalesce(steps: Vec<(SeatPosition, SeatState)>) -> Option<Vec<(SeatPosition, SeatState)>> {
    let last: BTreeMap<_, _> = steps.into_iter().collect();
    (!last.is_empty()).then(|| last.into_iter().collect())
}
