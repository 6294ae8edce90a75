//! Names of people, as documents have them.

/// Longest name in characters.
pub(super) const LONGEST: usize = 60;

/// The name in its one form, if it can be one: single spaces, and one kind of the dot that stands between the parts of names
/// from Chinese minorities.
pub(super) fn canonical(text: &str) -> Option<String> {
    let name = plain(text);
    let part = |c: char| c.is_alphabetic() || matches!(c, ' ' | '·' | '.' | '-' | '\'' | '’') || is_mark(c);
    let sound = (2..=LONGEST).contains(&name.chars().count())
        && name.starts_with(char::is_alphabetic)
        && name.chars().all(part);
    sound.then_some(name)
}

/// Single spaces, and one kind of dot.
pub(super) fn plain(text: &str) -> String {
    let dots = |c: char| if matches!(c, '•' | '・' | '．' | '‧' | '∙') { '·' } else { c };
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().map(dots).collect()
}

/// Accents that are written as characters of their own.
const fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// What a name is found by: capitals are no difference.
pub(super) fn key(name: &str) -> String {
    name.to_uppercase()
}

/// The name for pages and lists: the first letter of each part.
pub(super) fn masked(name: &str) -> String {
    let part = |part: &str| {
        let mut letters = part.chars();
        let first = letters.next().map(String::from).unwrap_or_default();
        format!("{first}{}", "*".repeat(letters.count().min(3)))
    };
    name.split(' ').map(part).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_form_and_is_found_by_it() {
        for (text, expected) in [
            (" 李雷 ", Some("李雷")),
            ("阿依古丽•买买提", Some("阿依古丽·买买提")),
            ("Anne-Marie   O'Neill", Some("Anne-Marie O'Neill")),
            ("李", None),
            ("", None),
            ("李雷1", None),
            ("<b>Li</b>", None),
            ("-Li", None),
            ("Li\u{0}Lei", None),
        ] {
            assert_eq!(canonical(text).as_deref(), expected, "{text:?}");
        }
        assert_eq!(canonical(&"a".repeat(61)), None);
        assert_eq!(key("Anne O’Neill"), key("ANNE O’NEILL"));
    }

    #[test]
    fn of_a_name_the_first_letters_are_left() {
        for (name, expected) in [("李雷", "李*"), ("欧阳娜娜", "欧***"), ("Anne Marie Li", "A*** M*** L*")] {
            assert_eq!(masked(name), expected);
        }
    }
}
