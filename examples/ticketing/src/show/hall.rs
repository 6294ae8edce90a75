//! A plain hall of any size, for rehearsals and tests: straight rows of fifty, one category.

use super::{
    plan::{Category, Seat},
    store::NewPlan,
};
use crate::digest::sha256;

const PER_ROW: u32 = 50;
/// Distance of neighbouring seats.
const PITCH: f64 = 24.0;

/// The one category of a hall.
pub const HALL_CATEGORY: &str = "Standard";

/// A hall of `seats` seats. Their names are `<row>-<number>`, both counted from 1.
#[must_use]
pub fn hall(seats: u32) -> NewPlan {
    let zone: std::sync::Arc<str> = "Hall".into();
    let category: std::sync::Arc<str> = HALL_CATEGORY.into();
    let mut row: std::sync::Arc<str> = "1".into();
    let places = (0..seats)
        .map(|position| {
            let (index, column) = (position / PER_ROW, position % PER_ROW);
            if column == 0 {
                row = (index + 1).to_string().into();
            }
            Seat {
                guid: format!("{row}-{}", column + 1).into(),
                zone: zone.clone(),
                row: row.clone(),
                number: (column + 1).to_string(),
                category: category.clone(),
                x: PITCH * f64::from(column + 1),
                y: PITCH * f64::from(index + 1),
                r: None,
                standing: false,
            }
        })
        .collect();
    let rows = seats.div_ceil(PER_ROW);
    NewPlan {
        name: format!("Hall of {seats}"),
        width: PITCH * f64::from(seats.min(PER_ROW) + 1),
        height: PITCH * f64::from(rows + 1),
        areas: serde_json::Value::Array(Vec::new()),
        categories: vec![Category { name: HALL_CATEGORY.to_owned(), color: "#4c78a8".to_owned() }],
        names_zh: std::collections::BTreeMap::new(),
        seats: places,
        digest: sha256(format!("hall {seats}").as_bytes()),
    }
}
