//! Values after a schema, and values that no schema asks for.

use rand::{RngExt, rngs::StdRng};
use serde_json::{Map, Value, json};

/// Stands for half of a pair of code units, which no `Value` can hold; [`text`] writes it.
const LONE: &str = "LONE-SURROGATE";

/// The JSON of a value.
pub fn text(value: &Value) -> Vec<u8> {
    value.to_string().replace(LONE, "\\ud800").into_bytes()
}

/// Follows references.
pub fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => resolve(document, document.pointer(reference.trim_start_matches('#')).unwrap()),
        None => schema,
    }
}

/// A value that the schema allows, as far as it says what it allows.
pub fn sample(document: &Value, schema: &Value, name: &str, ids: &dyn Fn(&str) -> String) -> Value {
    let schema = resolve(document, schema);
    if let Some(example) = schema.get("example") {
        return example.clone();
    }
    if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
        return first.clone();
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let mut whole = Map::new();
        for part in parts {
            if let Value::Object(members) = sample(document, part, name, ids) {
                whole.extend(members);
            }
        }
        return Value::Object(whole);
    }
    for choice in ["oneOf", "anyOf"] {
        let alternatives = schema[choice].as_array().into_iter().flatten();
        if let Some(one) = alternatives.into_iter().find(|one| one["type"] != "null") {
            return sample(document, one, name, ids);
        }
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find(|kind| **kind != "null").and_then(Value::as_str),
        kind => kind.as_str(),
    };
    match kind {
        Some("object") => {
            let members = schema["properties"].as_object().into_iter().flatten();
            members.map(|(key, member)| (key.clone(), sample(document, member, key, ids))).collect()
        }
        Some("array") => json!([sample(document, &schema["items"], name, ids)]),
        Some("integer") => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        Some("number") => json!(1.5),
        Some("boolean") => json!(true),
        Some("string") => string(schema, name, ids),
        _ => json!({}),
    }
}

fn string(schema: &Value, name: &str, ids: &dyn Fn(&str) -> String) -> Value {
    match (schema["format"].as_str(), name) {
        (Some("uuid"), _) => ids(&format!("{}s", name.trim_end_matches("_id"))).into(),
        (Some("date-time"), _) => "2031-05-01T19:30:00Z".into(),
        (Some("date"), _) => "2026-01-31".into(),
        (_, "amount") => "380.00".into(),
        (_, "currency") => "CNY".into(),
        (_, "seats") => "1-3".into(),
        _ => "something".into(),
    }
}

/// What nobody asked for.
pub fn odd(rng: &mut StdRng) -> Value {
    let number = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let mut deep = json!([]);
    for _ in 0..100 {
        deep = json!([deep]);
    }
    let all = [
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        number("1e308"),
        number("-1e-300"),
        json!(0.1),
        json!(4_294_967_296_u64),
        json!(""),
        json!(" "),
        json!("x".repeat(20_000)),
        json!("座".repeat(3_000)),
        json!("a\u{0}b"),
        json!("\u{0}"),
        json!(LONE),
        json!("\u{202e}\u{feff}\u{301}👩‍👩‍👧‍👦"),
        json!("'; DROP TABLE orders; --"),
        json!("<script>alert(1)</script>"),
        json!("%00%ff../../etc/passwd"),
        json!("{{7*7}}${7*7}"),
        json!("9999-12-31T23:59:59.999999999Z"),
        json!("-009999-01-02T00:00:00Z"),
        json!("1970-01-01T00:00:00Z"),
        json!("00000000-0000-0000-0000-000000000000"),
        json!("999999999999999999999999999.99"),
        json!("-0.01"),
        json!("1e9"),
        json!([]),
        json!({}),
        json!([null, 1, "x"]),
        json!({"": {"": ""}}),
        json!(vec!["1-1"; 500]),
        deep,
    ];
    all[rng.random_range(0..all.len())].clone()
}

/// The places within a value, as pointers.
pub fn places(value: &Value, here: &str, found: &mut Vec<String>) {
    found.push(here.to_owned());
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                places(member, &format!("{here}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, &format!("{here}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// The value with something wrong in one place.
pub fn spoil(value: &Value, rng: &mut StdRng) -> Value {
    let mut spoiled = value.clone();
    let mut all = Vec::new();
    places(value, "", &mut all);
    let place = &all[rng.random_range(0..all.len())];
    match rng.random_range(0..8) {
        0 => {
            let (parent, last) = place.rsplit_once('/').unwrap_or(("", ""));
            if let Some(members) = spoiled.pointer_mut(parent).and_then(Value::as_object_mut) {
                members.remove(last);
            }
        }
        1 => {
            if let Some(members) = spoiled.pointer_mut(place).and_then(Value::as_object_mut) {
                members.insert("unheard_of".to_owned(), odd(rng));
            }
        }
        _ => {
            if let Some(there) = spoiled.pointer_mut(place) {
                *there = odd(rng);
            }
        }
    }
    spoiled
}
