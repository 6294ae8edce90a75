//! What people may see of a message. What is not known to be harmless is not shown.

use serde_json::Value;

/// Fields whose texts are words of this program.
const WORDS: [&str; 2] = ["step", "topic"];
/// A number of so many digits may be a telephone's.
const DIGITS: usize = 7;
/// A word this long is a token, unless it is an identifier.
const TOKEN: usize = 32;
/// No more of a body or an error is shown, in characters.
const LONGEST: usize = 2_000;
const MASK: &str = "***";

/// The body as JSON in which only identifiers, words of this program and small numbers are readable; `None` if it is no JSON.
pub(super) fn body(bytes: &[u8]) -> Option<String> {
    let mut value: Value = serde_json::from_slice(bytes).ok()?;
    mask(&mut value, None);
    Some(cut(&value.to_string()))
}

/// A text for people, without what looks like an address, a number of somebody, or a secret.
pub(super) fn text(text: &str) -> String {
    cut(&text.split(' ').map(word).collect::<Vec<_>>().join(" "))
}

fn mask(value: &mut Value, field: Option<&str>) {
    match value {
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| mask(value, Some(name.as_str()))),
        Value::Array(items) => items.iter_mut().for_each(|value| mask(value, field)),
        Value::String(text) if !is_id(text) && !field.is_some_and(|field| WORDS.contains(&field)) => {
            MASK.clone_into(text);
        }
        Value::Number(number) if number.to_string().len() >= DIGITS => *value = MASK.into(),
        _ => {}
    }
}

fn is_id(text: &str) -> bool {
    uuid::Uuid::try_parse(text).is_ok()
}

fn word(word: &str) -> &str {
    let bare = word.trim_matches(|character: char| !character.is_alphanumeric());
    if is_id(bare) {
        return word;
    }
    let mut digits = 0;
    let number = word.chars().any(|character| {
        digits = match character {
            '0'..='9' => digits + 1,
            // As people write them.
            '-' | '(' | ')' | '+' => digits,
            _ => 0,
        };
        digits >= DIGITS
    });
    if number || word.contains('@') || bare.chars().count() >= TOKEN { MASK } else { word }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0193d5a2-6f5e-7c3e-9b1a-0123456789ab";

    #[test]
    fn identifiers_are_shown_and_whatever_else_is_not() {
        let shown = body(format!(r#"{{"order":"{ID}","step":"sell","name":"Mei","n":[1,13800138000]}}"#).as_bytes());
        assert_eq!(shown.unwrap(), format!(r#"{{"n":[1,"***"],"name":"***","order":"{ID}","step":"sell"}}"#));
        assert_eq!(body(b"\"mei@example.com\"").unwrap(), "\"***\"");
        assert_eq!(body(b"mei@example.com"), None);
        assert_eq!(body(&[0xff]), None);
        let long = body(format!("[{}1]", "1,".repeat(5_000)).as_bytes()).unwrap();
        assert_eq!(long.chars().count(), LONGEST + 1);
    }

    #[test]
    fn texts_keep_their_words_and_identifiers() {
        for (said, shown) in [
            ("no such table: orders", "no such table: orders".to_owned()),
            ("refused by <mei@example.com>: full", "refused by *** full".to_owned()),
            ("+86-138-0013-8000 is away", "*** is away".to_owned()),
            ("redis://:secret@host:6379 is away", "*** is away".to_owned()),
            ("bearer eyJhbGciOiJIUzI1NiJ9eyJzdWIiOiIxIn0abcdef", "bearer ***".to_owned()),
            ("a text 数据库", "a text 数据库".to_owned()),
        ] {
            assert_eq!(text(said), shown);
        }
        assert_eq!(text(&format!("order ({ID}): gone")), format!("order ({ID}): gone"));
    }
}
