//! Decoration: areas behind the seats. What cannot be drawn is left out with a note; no sale fails for a carpet.

use serde_json::{Map, Value, json};

use super::{fields::Object, findings::Findings, place::Place};

const KNOWN: &[&str] = &[
    "shape",
    "color",
    "border_color",
    "rotation",
    "position",
    "polygon",
    "rectangle",
    "ellipse",
    "circle",
    "text",
    "uuid",
    "standing",
];
/// Most corners of a polygon.
const CORNERS: usize = 10_000;

/// An area with its position on the plan, ready to be drawn.
pub(super) fn area(value: &Value, place: &Place<'_>, zone: (f64, f64), findings: &mut Findings) -> Option<Value> {
    let object = Object::read(value, place, KNOWN, findings)?;
    let shape = object.text("shape", findings)?;
    let mut area = Map::new();
    match &*shape {
        "polygon" => {
            area.insert("polygon".into(), json!({ "points": points(&object, findings)? }));
        }
        "rectangle" => {
            let (width, height) = required(&object, "rectangle", ["width", "height"], findings)?;
            area.insert("rectangle".into(), json!({"width": width, "height": height}));
        }
        "ellipse" => {
            let place = place.key("ellipse");
            let value = member(&object, "ellipse", findings)?;
            let ellipse = Object::read(value, &place, &["radius"], findings)?;
            let (x, y) = required(&ellipse, "radius", ["x", "y"], findings)?;
            area.insert("ellipse".into(), json!({"radius": {"x": x, "y": y}}));
        }
        "circle" => {
            let place = place.key("circle");
            let value = member(&object, "circle", findings)?;
            let circle = Object::read(value, &place, &["radius"], findings)?;
            let radius = circle.number("radius", findings)?;
            let Some(radius) = radius.filter(|radius| *radius > 0.0) else {
                findings.problem(&place, "`radius` must be a number greater than 0");
                return None;
            };
            area.insert("circle".into(), json!({"radius": radius}));
        }
        "text" => {}
        other => {
            findings.note(format!("{}: the shape {other:?} is not known; the area is left out", place.key("shape")));
            return None;
        }
    }
    if let Some(text) = text(&object, findings) {
        area.insert("text".into(), text);
    } else if &*shape == "text" {
        findings.note(format!("{place}: a text without text; the area is left out"));
        return None;
    }
    for key in ["color", "border_color"] {
        if let Some(color) = color(&object, key, findings) {
            area.insert(key.into(), color.into());
        }
    }
    let (x, y) = object.position("position", findings);
    area.insert("position".into(), json!({"x": zone.0 + x, "y": zone.1 + y}));
    area.insert("rotation".into(), object.number("rotation", findings).flatten().unwrap_or_default().into());
    area.insert("shape".into(), shape.into());
    // So that pages know which area is which.
    if let Some(name) = object.members.get("standing").and_then(|standing| standing.get("name")?.as_str()) {
        area.insert("standing".into(), name.into());
    }
    Some(Value::Object(area))
}

/// A colour that is none leaves the area without it.
fn color(object: &Object<'_>, key: &str, findings: &mut Findings) -> Option<String> {
    // Editors write an empty text for "no colour".
    if object.members.get(key).and_then(Value::as_str) == Some("") {
        return None;
    }
    object.color(key, findings)
}

fn member<'a>(object: &Object<'a>, key: &str, findings: &mut Findings) -> Option<&'a Value> {
    let value = object.members.get(key);
    if value.is_none() {
        findings.problem(object.place, format_args!("`{key}` is missing, which the shape {key:?} needs"));
    }
    value
}

fn required(object: &Object<'_>, key: &str, names: [&str; 2], findings: &mut Findings) -> Option<(f64, f64)> {
    member(object, key, findings)?;
    object.pair(key, names, findings)
}

fn points(object: &Object<'_>, findings: &mut Findings) -> Option<Vec<Value>> {
    let place = object.place.key("polygon");
    let value = member(object, "polygon", findings)?;
    let polygon = Object::read(value, &place, &["points"], findings)?;
    let list = place.key("points");
    let points: Vec<_> = polygon
        .list("points", CORNERS, findings)
        .iter()
        .enumerate()
        .filter_map(|(index, value)| {
            let place = list.index(index);
            let point = Object::read(value, &place, &["x", "y"], findings)?;
            let x = point.number("x", findings)?.unwrap_or_default();
            let y = point.number("y", findings)?.unwrap_or_default();
            Some(json!({"x": x, "y": y}))
        })
        .collect();
    if points.len() < 3 {
        findings.note(format!("{place}: fewer than three corners; the area is left out"));
        return None;
    }
    Some(points)
}

fn text(object: &Object<'_>, findings: &mut Findings) -> Option<Value> {
    let value = object.members.get("text").filter(|value| !value.is_null())?;
    let place = object.place.key("text");
    let inner = Object::read(value, &place, &["text", "position", "color", "size"], findings)?;
    let text = inner.optional_text("text", findings).flatten().filter(|text| !text.trim().is_empty())?;
    let (x, y) = inner.position("position", findings);
    let mut label = Map::new();
    label.insert("text".into(), text.into());
    label.insert("position".into(), json!({"x": x, "y": y}));
    label.insert("size".into(), inner.number("size", findings).flatten().unwrap_or(16.0).into());
    if let Some(color) = color(&inner, "color", findings) {
        label.insert("color".into(), color.into());
    }
    Some(Value::Object(label))
}
