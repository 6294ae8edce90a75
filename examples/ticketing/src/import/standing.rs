//! Standing areas: an area with places that nobody tells apart. This is ours, the editor's format has only seats.
//!
//! ```json
//! {"shape": "rectangle", …, "standing": {"name": "Floor", "category": "Floor", "capacity": 500}}
//! ```

use std::num::NonZeroU32;

use serde_json::Value;

use super::{fields::Object, findings::Findings, place::Place};

/// What an area says of its places.
pub(super) struct Standing {
    pub(super) name: String,
    pub(super) category: String,
    pub(super) capacity: NonZeroU32,
}

/// The standing places of an area, if it has any. The area is looked at as decoration elsewhere: what cannot be drawn is sold
/// nevertheless.
pub(super) fn standing(area: &Value, place: &Place<'_>, findings: &mut Findings) -> Option<Standing> {
    let value = area.get("standing").filter(|value| !value.is_null())?;
    let place = place.key("standing");
    let object = Object::read(value, &place, &["name", "category", "capacity"], findings)?;
    let (name, category) = (object.text("name", findings), object.text("category", findings));
    let capacity = object.number("capacity", findings)?;
    let whole = capacity.filter(|number| number.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(number));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole and within bounds")]
    let Some(capacity) = whole.and_then(|number| NonZeroU32::new(number as u32)) else {
        findings.problem(&place.key("capacity"), "the number of places: a whole number, at least 1");
        return None;
    };
    Some(Standing { name: name?.into_owned(), category: category?.into_owned(), capacity })
}
