//! Reads the members of a JSON object and reports what is wrong with each, so that one run finds everything.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{findings::Findings, place::Place};

/// Coordinates beyond this are mistakes.
const FARTHEST: f64 = 1e7;
/// Longest text of any kind, in characters.
const LONGEST: usize = 200;

/// An object at a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Object<'a> {
    pub(super) members: &'a Map<String, Value>,
    pub(super) place: &'a Place<'a>,
}

impl<'a> Object<'a> {
    /// The value as an object whose members are all in `known`; others are noted.
    pub(super) fn read(
        value: &'a Value,
        place: &'a Place<'a>,
        known: &[&str],
        findings: &mut Findings,
    ) -> Option<Self> {
        let Value::Object(members) = value else {
            findings.problem(place, format_args!("expected an object, found {}", kind(value)));
            return None;
        };
        for key in members.keys().filter(|key| !known.contains(&key.as_str())) {
            findings.ignored(&place.key(key));
        }
        Some(Self { members, place })
    }

    fn get(&self, key: &str) -> Option<&'a Value> {
        self.members.get(key).filter(|value| !value.is_null())
    }

    /// A list; absent or null is an empty one.
    pub(super) fn list(&self, key: &str, most: usize, findings: &mut Findings) -> &'a [Value] {
        match self.get(key) {
            None => &[],
            Some(Value::Array(items)) if items.len() <= most => items,
            Some(Value::Array(items)) => {
                findings.problem(&self.place.key(key), format_args!("{} entries; at most {most}", items.len()));
                &[]
            }
            Some(other) => {
                findings.problem(&self.place.key(key), format_args!("expected a list, found {}", kind(other)));
                &[]
            }
        }
    }

    /// A text that must be there and not be blank. Some editors write numbers where the format says text.
    pub(super) fn text(&self, key: &str, findings: &mut Findings) -> Option<Cow<'a, str>> {
        let text = self.optional_text(key, findings)?;
        match text {
            Some(text) if !text.trim().is_empty() => Some(text),
            Some(_) => {
                findings.problem(&self.place.key(key), "must not be empty");
                None
            }
            None => {
                findings.problem(self.place, format_args!("`{key}` is missing"));
                None
            }
        }
    }

    /// A text that may be absent; the outer `None` stands for a problem that was reported.
    #[allow(clippy::option_option, reason = "absent and wrong are different answers")]
    pub(super) fn optional_text(&self, key: &str, findings: &mut Findings) -> Option<Option<Cow<'a, str>>> {
        let text = match self.get(key) {
            None => return Some(None),
            Some(Value::String(text)) => Cow::Borrowed(text.as_str()),
            Some(Value::Number(number)) => Cow::Owned(number.to_string()),
            Some(other) => {
                findings.problem(&self.place.key(key), format_args!("expected text, found {}", kind(other)));
                return None;
            }
        };
        if text.chars().count() > LONGEST || text.chars().any(char::is_control) {
            findings.problem(
                &self.place.key(key),
                format_args!("a text has at most {LONGEST} characters and no control characters"),
            );
            return None;
        }
        Some(Some(text))
    }

    /// A number that may be absent; within reason.
    #[allow(clippy::option_option, reason = "absent and wrong are different answers")]
    pub(super) fn number(&self, key: &str, findings: &mut Findings) -> Option<Option<f64>> {
        let Some(value) = self.get(key) else { return Some(None) };
        match value.as_f64() {
            Some(number) if number.abs() <= FARTHEST => Some(Some(number)),
            Some(number) => {
                findings.problem(&self.place.key(key), format_args!("{number} is out of all proportion"));
                None
            }
            None => {
                findings.problem(&self.place.key(key), format_args!("expected a number, found {}", kind(value)));
                None
            }
        }
    }

    /// A position; absent is (0, 0).
    pub(super) fn position(&self, key: &str, findings: &mut Findings) -> (f64, f64) {
        self.pair(key, ["x", "y"], findings).unwrap_or_default()
    }

    /// Two numbers in an object of their own; absent or incomplete is `None`.
    pub(super) fn pair(&self, key: &str, names: [&str; 2], findings: &mut Findings) -> Option<(f64, f64)> {
        let value = self.get(key)?;
        let place = self.place.key(key);
        let pair = Object::read(value, &place, &names, findings)?;
        let [first, second] = names.map(|name| match pair.number(name, findings) {
            Some(None) => {
                findings.problem(&place, format_args!("`{name}` is missing"));
                None
            }
            number => number.flatten(),
        });
        Some((first?, second?))
    }

    /// A colour, if it is one; it ends up in the drawing.
    pub(super) fn color(&self, key: &str, findings: &mut Findings) -> Option<String> {
        let text = self.optional_text(key, findings).flatten()?;
        if is_color(&text) {
            return Some(text.into_owned());
        }
        findings.problem(&self.place.key(key), format_args!("{text:?} is not a CSS colour"));
        None
    }
}

/// `#rgb` to `#rrggbbaa`, a name, or `rgb(…)` and the like.
fn is_color(text: &str) -> bool {
    if let Some(digits) = text.strip_prefix('#') {
        return matches!(digits.len(), 3 | 4 | 6 | 8) && digits.chars().all(|c| c.is_ascii_hexdigit());
    }
    let Some((function, arguments)) = text.split_once('(') else {
        return (3..=24).contains(&text.len()) && text.chars().all(|c| c.is_ascii_lowercase());
    };
    let known = ["rgb", "rgba", "hsl", "hsla", "hwb", "lab", "lch", "oklab", "oklch"].contains(&function);
    let inner = arguments.strip_suffix(')');
    known && inner.is_some_and(|inner| inner.chars().all(|c| c.is_ascii_alphanumeric() || " .,%/-".contains(c)))
}

pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::is_color;

    #[test]
    fn colours_are_colours() {
        for text in
            ["#fff", "#4c78a8", "#4c78a8ff", "red", "rebeccapurple", "rgb(1, 2, 3)", "hsl(120deg 50% 50% / 0.5)"]
        {
            assert!(is_color(text), "{text}");
        }
        for text in ["", "#ggg", "#12345", "url(x)", "var(x)", "red;x", "rgb(1", "var(--x)\"", "Red "] {
            assert!(!is_color(text), "{text}");
        }
    }
}
