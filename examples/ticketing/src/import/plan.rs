//! Reads a seating plan in the format of the pretix seating-plan editor (public JSON schema 0.0.1).
//!
//! Besides, an area may have standing places (`standing`), which are numbered after all seats, and `names_zh` may say what zones,
//! standing areas and categories are called in Chinese.
//!
//! Positions add up: zone + row + seat. Unknown keys are ignored with a note, because older and newer editors differ;
//! everything that would sell a wrong seat is a problem.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet, hash_map::Entry},
    sync::Arc,
};

use serde_json::Value;

use super::{
    areas,
    fields::Object,
    findings::Findings,
    place::Place,
    standing::{self, Standing},
};
use crate::{
    digest::sha256,
    show::{Category, Seat, store},
};

/// Largest plan, in seats.
pub const MAX_SEATS: usize = 100_000;
/// Largest file, in bytes.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;
const MAX_ZONES: usize = 2_000;
const MAX_ROWS: usize = 50_000;
const MAX_AREAS: usize = 10_000;
const MAX_CATEGORIES: usize = 200;

const PLAN: &[&str] = &["name", "categories", "zones", "size", "names_zh"];
const ZONE: &[&str] = &["name", "zone_id", "uuid", "position", "rows", "areas"];
const ROW: &[&str] =
    &["row_number", "row_label", "seat_label", "row_number_position", "position", "seats", "start_direction", "uuid"];
const SEAT: &[&str] = &["seat_guid", "seat_number", "category", "position", "radius", "start_direction", "uuid"];

/// Reads a plan. `None` when it cannot be used; `findings` says why.
pub fn read(json: &[u8], findings: &mut Findings) -> Option<store::NewPlan> {
    if json.len() > MAX_BYTES {
        findings.problem(&Place::ROOT, format_args!("{} bytes; at most {MAX_BYTES}", json.len()));
        return None;
    }
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let value: Value = match serde_path_to_error::deserialize(&mut deserializer) {
        Ok(value) => value,
        Err(error) => {
            let path = error.path().to_string();
            let path = path.trim_end_matches('?').trim_end_matches('.');
            let dot = if path.is_empty() || path.starts_with('[') { "" } else { "." };
            findings.problem_at(&format!("${dot}{path}"), format_args!("not JSON: {}", error.inner()));
            return None;
        }
    };
    if let Err(error) = deserializer.end() {
        findings.problem(&Place::ROOT, format_args!("not JSON: {error}"));
        return None;
    }
    let root = Object::read(&value, &Place::ROOT, PLAN, findings)?;
    let mut reader = Reader {
        findings,
        categories: Vec::new(),
        places: HashMap::new(),
        texts: HashSet::new(),
        seats: Vec::new(),
        standing: Vec::new(),
        areas: Vec::new(),
        rows: 0,
    };
    reader.categories(&root);
    reader.zones(&root);
    reader.stand();
    let names_zh = reader.names_zh(&root);
    let (seats, areas, categories) = (reader.seats, reader.areas, reader.categories);
    if seats.is_empty() && findings.is_clean() {
        findings.problem(&Place::ROOT, "the plan has no seats");
    }
    let name = root.optional_text("name", findings).flatten().map_or_else(|| "Seating plan".to_owned(), Into::into);
    let (width, height) = size(&root, &seats, findings);
    findings.is_clean().then(|| store::NewPlan {
        name,
        width,
        height,
        areas: Value::Array(areas),
        categories,
        names_zh,
        seats,
        digest: sha256(json),
    })
}

struct Reader<'a> {
    findings: &'a mut Findings,
    categories: Vec<Category>,
    /// Where each `seat_guid` stands.
    places: HashMap<Arc<str>, String>,
    /// Names that repeat from seat to seat, kept once.
    texts: HashSet<Arc<str>>,
    seats: Vec<Seat>,
    /// Where each standing area stands, and where its places lie.
    standing: Vec<(Standing, String, (f64, f64))>,
    areas: Vec<Value>,
    rows: usize,
}

impl Reader<'_> {
    fn categories(&mut self, root: &Object<'_>) {
        let list = Place::ROOT.key("categories");
        for (index, value) in root.list("categories", MAX_CATEGORIES, self.findings).iter().enumerate() {
            let place = list.index(index);
            let Some(object) = Object::read(value, &place, &["name", "color", "uuid"], self.findings) else { continue };
            let Some(name) = object.text("name", self.findings) else { continue };
            let color = object.color("color", self.findings).unwrap_or_else(|| "#7f7f7f".to_owned());
            if self.categories.iter().any(|category| category.name == name) {
                self.findings.problem(&place.key("name"), format_args!("the category {name:?} stands twice"));
            } else {
                self.categories.push(Category { name: name.into_owned(), color });
            }
        }
    }

    fn zones(&mut self, root: &Object<'_>) {
        let list = Place::ROOT.key("zones");
        for (index, value) in root.list("zones", MAX_ZONES, self.findings).iter().enumerate() {
            let place = list.index(index);
            let Some(zone) = Object::read(value, &place, ZONE, self.findings) else { continue };
            let name = zone.optional_text("name", self.findings).flatten();
            let name = name.or_else(|| zone.optional_text("zone_id", self.findings).flatten()).unwrap_or_default();
            let name = self.shared(&name);
            let at = zone.position("position", self.findings);
            let rows = place.key("rows");
            for (index, value) in zone.list("rows", MAX_ROWS, self.findings).iter().enumerate() {
                self.row(value, &rows.index(index), &name, at);
            }
            let areas = place.key("areas");
            for (index, value) in zone.list("areas", MAX_AREAS, self.findings).iter().enumerate() {
                if self.areas.len() >= MAX_AREAS {
                    self.findings.problem(&areas, format_args!("more than {MAX_AREAS} areas"));
                    return;
                }
                let place = areas.index(index);
                let area = areas::area(value, &place, at, self.findings);
                if let Some(standing) = standing::standing(value, &place, self.findings) {
                    self.standing.push((standing, place.to_string(), area.as_ref().map_or(at, middle)));
                }
                self.areas.extend(area);
            }
        }
    }

    /// What parts of the house and categories are called in Chinese.
    fn names_zh(&mut self, root: &Object<'_>) -> BTreeMap<String, String> {
        let Some(value) = root.members.get("names_zh").filter(|value| !value.is_null()) else { return BTreeMap::new() };
        let place = Place::ROOT.key("names_zh");
        let zones = self.seats.iter().map(|seat| &*seat.zone);
        let known: BTreeSet<&str> = zones.chain(self.categories.iter().map(|category| &*category.name)).collect();
        let known: Vec<&str> = known.into_iter().collect();
        // A name of no part is noted, like every key that nobody knows.
        let Some(names) = Object::read(value, &place, &known, self.findings) else { return BTreeMap::new() };
        let mut read = BTreeMap::new();
        for name in known {
            if names.members.contains_key(name)
                && let Some(text) = names.text(name, self.findings)
            {
                read.insert(name.to_owned(), text.into_owned());
            }
        }
        read
    }

    /// Numbers the places of the standing areas.
    fn stand(&mut self) {
        let mut names = HashSet::new();
        for (standing, place, (x, y)) in std::mem::take(&mut self.standing) {
            let Standing { name, category, capacity } = standing;
            let place = format!("{place}.standing");
            if !names.insert(name.clone()) || self.seats.iter().any(|seat| !seat.standing && *seat.zone == *name) {
                self.findings.problem_at(&place, format_args!("another part of the house is called {name:?}"));
                continue;
            }
            if !self.categories.iter().any(|known| known.name == category) {
                let text = format_args!("the category {category:?} is not in `categories`");
                self.findings.problem_at(&format!("{place}.category"), text);
                continue;
            }
            let places = usize::try_from(capacity.get()).unwrap_or(usize::MAX);
            if self.seats.len().saturating_add(places) > MAX_SEATS {
                self.findings.problem_at(&place, format_args!("more than {MAX_SEATS} seats and places"));
                return;
            }
            let (zone, category, none) = (self.shared(&name), self.shared(&category), self.shared(""));
            for number in 1..=capacity.get() {
                let guid: Arc<str> = format!("{name}#{number}").into();
                if self.places.contains_key(&guid) {
                    self.findings.problem_at(&place, format_args!("a seat is called {guid:?}"));
                    return;
                }
                self.seats.push(Seat {
                    guid,
                    zone: Arc::clone(&zone),
                    row: Arc::clone(&none),
                    number: String::new(),
                    category: Arc::clone(&category),
                    x,
                    y,
                    r: None,
                    standing: true,
                });
            }
        }
    }

    fn row(&mut self, value: &Value, place: &Place<'_>, zone: &Arc<str>, origin: (f64, f64)) {
        let Some(row) = Object::read(value, place, ROW, self.findings) else { return };
        self.rows += 1;
        if self.rows > MAX_ROWS {
            if self.rows == MAX_ROWS + 1 {
                self.findings.problem(place, format_args!("more than {MAX_ROWS} rows"));
            }
            return;
        }
        let number = row.optional_text("row_number", self.findings).flatten().unwrap_or_default();
        let row_label = row.optional_text("row_label", self.findings).flatten();
        let seat_label = row.optional_text("seat_label", self.findings).flatten();
        let name = self.shared(&labelled(row_label.as_deref(), &number));
        let (x, y) = row.position("position", self.findings);
        let at = (origin.0 + x, origin.1 + y);
        let list = place.key("seats");
        for (index, value) in row.list("seats", MAX_SEATS, self.findings).iter().enumerate() {
            if self.seats.len() >= MAX_SEATS {
                self.findings.problem(&list, format_args!("more than {MAX_SEATS} seats"));
                return;
            }
            self.seat(value, &list.index(index), zone, &name, seat_label.as_deref(), at);
        }
    }

    fn seat(
        &mut self,
        value: &Value,
        place: &Place<'_>,
        zone: &Arc<str>,
        row: &Arc<str>,
        label: Option<&str>,
        origin: (f64, f64),
    ) {
        let Some(seat) = Object::read(value, place, SEAT, self.findings) else { return };
        // Each is read whatever the others are, so that one run names everything that is wrong.
        let guid = seat.text("seat_guid", self.findings);
        let number = seat.text("seat_number", self.findings);
        let category = seat.text("category", self.findings);
        let (x, y) = seat.position("position", self.findings);
        let radius = seat.number("radius", self.findings).flatten().filter(|radius| *radius > 0.0);
        if let Some(name) = &category
            && !self.categories.iter().any(|known| known.name == **name)
        {
            self.findings.problem(&place.key("category"), format_args!("the category {name:?} is not in `categories`"));
        }
        let (Some(guid), Some(number), Some(category)) = (guid, number, category) else { return };
        let guid: Arc<str> = guid.into();
        match self.places.entry(Arc::clone(&guid)) {
            Entry::Occupied(first) => {
                let first = first.get();
                self.findings.problem(&place.key("seat_guid"), format_args!("{guid:?} stands already at {first}"));
                return;
            }
            Entry::Vacant(entry) => {
                entry.insert(place.to_string());
            }
        }
        let category = self.shared(&category);
        self.seats.push(Seat {
            guid,
            zone: Arc::clone(zone),
            row: Arc::clone(row),
            number: labelled(label, &number),
            category,
            x: origin.0 + x,
            y: origin.1 + y,
            r: radius,
            standing: false,
        });
    }

    fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let text: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&text));
        text
    }
}

/// Where the middle of an area is, roughly: where its text stands.
fn middle(area: &Value) -> (f64, f64) {
    let number = |pointer: &str| area.pointer(pointer).and_then(Value::as_f64).unwrap_or_default();
    (number("/position/x") + number("/text/position/x"), number("/position/y") + number("/text/position/y"))
}

/// A label has `%s` where the number goes: "Box %s" and "3" make "Box 3".
fn labelled(label: Option<&str>, number: &str) -> String {
    match label {
        Some(label) if label.contains("%s") => label.replace("%s", number),
        _ => number.to_owned(),
    }
}

/// The size that the plan states, or one in which all seats have room.
fn size(root: &Object<'_>, seats: &[Seat], findings: &mut Findings) -> (f64, f64) {
    const MARGIN: f64 = 30.0;
    if let Some((width, height)) = root.pair("size", ["width", "height"], findings)
        && width > 0.0
        && height > 0.0
    {
        return (width, height);
    }
    findings.note("$.size: absent or empty; taken from the positions of the seats");
    let farthest = |along: fn(&Seat) -> f64| seats.iter().map(along).fold(0.0_f64, f64::max) + MARGIN;
    (farthest(|seat| seat.x), farthest(|seat| seat.y))
}
