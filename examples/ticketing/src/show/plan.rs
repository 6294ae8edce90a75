//! Seating plans: immutable once stored, so they are kept in memory without an age.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use axum::body::Bytes;
use serde::Serialize;

use super::best::{Rows, Standing};
use crate::{
    digest::sha256,
    ids::{PlanId, SeatPosition},
};

/// A seating plan with absolute positions.
#[derive(Debug)]
pub struct Plan {
    /// Its identifier.
    pub id: PlanId,
    /// Its name.
    pub name: String,
    /// Number and order of the seats: the index is the [`SeatPosition`].
    pub seats: Vec<Seat>,
    /// Price categories with their colours.
    pub categories: Vec<Category>,
    /// What zones, standing areas and categories are called in Chinese, by their names; the others have one name.
    pub names_zh: BTreeMap<String, String>,
    /// SHA-256 of what was imported.
    pub digest: String,
    /// Strong entity tag of `layout`.
    pub etag: String,
    /// The layout as `GET /sessions/{id}/seatmap` answers it.
    pub layout: Bytes,
    /// Which seats are next to each other, and which places are standing ones.
    pub rows: Rows,
    by_guid: HashMap<Arc<str>, SeatPosition>,
}

/// A price category.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Category {
    /// Unique within the plan.
    pub name: String,
    /// CSS colour.
    pub color: String,
}

/// A seat.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Seat {
    /// Name of the seat, unique within the plan.
    #[schema(value_type = String, example = "stalls-7-12")]
    pub guid: Arc<str>,
    /// Part of the house.
    #[schema(value_type = String)]
    pub zone: Arc<str>,
    /// Row, as printed on the ticket.
    #[schema(value_type = String)]
    pub row: Arc<str>,
    /// Number, as printed on the ticket.
    pub number: String,
    /// Price category.
    #[schema(value_type = String)]
    pub category: Arc<str>,
    /// Absolute position on the plan.
    pub x: f64,
    /// Absolute position on the plan.
    pub y: f64,
    /// Radius to draw it with; absent: the drawer's choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r: Option<f64>,
    /// A place of a standing area: it has neither row nor number, and nobody chooses it by its name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schema(default = false)]
    pub standing: bool,
}

/// A standing area, for people: its places are told apart by nobody.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct StandingArea {
    /// Its name.
    pub area: String,
    /// The price category of its places.
    pub category: String,
    /// The position of its first place in the live state; the others follow.
    pub first: SeatPosition,
    /// Number of places.
    pub places: u32,
}

impl From<&Standing> for StandingArea {
    fn from(standing: &Standing) -> Self {
        Self {
            area: standing.area.to_string(),
            category: standing.category.to_string(),
            first: standing.first,
            places: standing.places,
        }
    }
}

/// The seats that can be drawn: standing places come after all of them.
#[must_use]
pub fn seated(seats: &[Seat]) -> &[Seat] {
    let end = seats.iter().position(|seat| seat.standing).unwrap_or(seats.len());
    seats.get(..end).unwrap_or_default()
}

/// The static part of a seat map; live states come from `/sessions/{id}/seats`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct SeatMap<'a> {
    /// The plan.
    pub plan_id: PlanId,
    /// Its name.
    pub name: &'a str,
    /// Width of the drawing.
    pub width: f64,
    /// Height of the drawing.
    pub height: f64,
    /// Price categories.
    pub categories: &'a [Category],
    /// Decoration behind the seats, with absolute positions.
    #[schema(value_type = Vec<Object>)]
    pub areas: serde_json::Value,
    /// The seats; the index in this list is the seat's `position` in the live state.
    pub seats: &'a [Seat],
    /// What zones, standing areas and categories are called in Chinese, by their names; the others have one name.
    #[serde(skip_serializing_if = "no_names")]
    pub names_zh: &'a BTreeMap<String, String>,
    /// Standing areas, whose places come after the seats in the live state.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub standing: Vec<StandingArea>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
fn no_names(names: &&BTreeMap<String, String>) -> bool {
    names.is_empty()
}

impl Plan {
    /// Puts a plan together.
    pub(super) fn new(
        id: PlanId,
        name: String,
        digest: String,
        categories: Vec<Category>,
        seats: Vec<Seat>,
        rows: Rows,
        layout: Bytes,
    ) -> Self {
        let by_guid = seats
            .iter()
            .zip(0..)
            .map(|(seat, position): (_, SeatPosition)| (Arc::clone(&seat.guid), position))
            .collect();
        let etag = format!("\"{}\"", sha256(&layout));
        Self { id, name, seats, categories, names_zh: BTreeMap::new(), digest, etag, layout, rows, by_guid }
    }

    /// With what its parts and categories are called in Chinese.
    pub(super) fn with_names_zh(self, names_zh: BTreeMap<String, String>) -> Self {
        Self { names_zh, ..self }
    }

    /// What a part of the house or a category is called in Chinese, if it has a name of its own there.
    #[must_use]
    pub fn zh(&self, name: &str) -> Option<String> {
        self.names_zh.get(name).cloned()
    }

    /// The position of the seat of this name.
    #[must_use]
    pub fn position(&self, guid: &str) -> Option<SeatPosition> {
        self.by_guid.get(guid).copied()
    }

    /// The seat at this position.
    #[must_use]
    pub fn seat(&self, position: SeatPosition) -> Option<&Seat> {
        self.seats.get(usize::try_from(position).ok()?)
    }
}
