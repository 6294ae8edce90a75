//! Limits that hold before a text reaches the parser, which has few of its own.

use crate::error::{Error, ErrorKind, Problem, Result};

/// The longest expression, in bytes: room for a list of a thousand names.
const MAX_BYTES: usize = 16 * 1024;
/// The deepest nesting of brackets.
const MAX_BRACKETS: usize = 32;
/// The most operators. A chain of them makes a tree as deep as the chain is long.
const MAX_OPERATORS: usize = 256;

/// Refuses what is too long, too deep or has too many operators, and templates, which hold expressions inside of text.
/// Brackets and operators are counted roughly, and rather too high than too low.
pub(crate) fn check(source: &str) -> Result<()> {
    if source.len() > MAX_BYTES {
        return Err(Error::new(ErrorKind::TooLarge, format!("an expression of more than {MAX_BYTES} bytes")));
    }
    let mut depth = 0_usize;
    let mut operators = 0_usize;
    let mut quote = None;
    let mut word = 0..0;
    // The last letter that is no space.
    let mut last = ' ';
    for (at, letter) in source.char_indices() {
        if let Some(end) = quote {
            if letter == end {
                quote = None;
                last = letter;
            }
            continue;
        }
        let before = word.clone();
        if letter.is_alphanumeric() || letter == '_' {
            word.end = at + letter.len_utf8();
        } else {
            operators += usize::from(is_operator(&source[word]));
            word = at + letter.len_utf8()..at + letter.len_utf8();
        }
        match letter {
            '`' => {
                let problem =
                    Problem::error(format!("@{}", source[..at].chars().count() + 1), "templates are not allowed");
                return Err(Error::invalid("an expression", vec![problem]));
            }
            '"' | '\'' => quote = Some(letter),
            '(' | '[' | '{' => {
                depth += 1;
                // An index or a call of what another one gave: such a chain is a deep tree without deep brackets.
                operators += usize::from(matches!(last, ')' | ']' | '}' | '"' | '\''));
            }
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            // Neither the elements of a list nor the digits of a number nest.
            ',' if depth > 0 => {}
            '.' if is_number(&source[before.clone()]) && !source[..before.start].ends_with('.') => {}
            ',' | '+' | '-' | '*' | '/' | '%' | '^' | '<' | '>' | '=' | '!' | '?' | ':' | ';' | '.' => operators += 1,
            _ => {}
        }
        if depth > MAX_BRACKETS {
            return Err(Error::new(ErrorKind::TooDeep, format!("more than {MAX_BRACKETS} nested brackets")));
        }
        if !letter.is_whitespace() {
            last = letter;
        }
    }
    operators += usize::from(is_operator(&source[word]));
    if operators > MAX_OPERATORS {
        return Err(Error::new(ErrorKind::TooDeep, format!("more than {MAX_OPERATORS} operators")));
    }
    Ok(())
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|digit| digit.is_ascii_digit())
}

fn is_operator(word: &str) -> bool {
    matches!(word, "and" | "or" | "not" | "in")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_sources_are_refused() {
        let kind = |source: String| check(&source).unwrap_err().kind();
        assert_eq!(kind("(".repeat(33)), ErrorKind::TooDeep);
        assert_eq!(kind("not ".repeat(300)), ErrorKind::TooDeep);
        assert_eq!(kind("-".repeat(300)), ErrorKind::TooDeep);
        assert_eq!(kind(vec!["1"; 300].join("+")), ErrorKind::TooDeep);
        assert_eq!(kind("x".repeat(MAX_BYTES + 1)), ErrorKind::TooLarge);
        // Chains whose brackets close again, and brackets inside of a template.
        assert_eq!(kind(format!("x{}", "['a']".repeat(300))), ErrorKind::TooDeep);
        assert_eq!(kind(format!("x{}", " [0]\n".repeat(300))), ErrorKind::TooDeep);
        assert_eq!(kind("a1.".repeat(300)), ErrorKind::TooDeep);
        assert_eq!(kind("1.".repeat(600)), ErrorKind::TooDeep);
        assert_eq!(kind(format!("`${{{}", "(".repeat(10_000))), ErrorKind::Invalid);
    }

    #[test]
    fn long_lists_are_not() {
        let names: Vec<String> = (0..1000).map(|number| format!("'n-{number}'")).collect();
        check(&format!("x in [{}]", names.join(", "))).unwrap();
        check(&format!("x in [{}]", vec!["0.125"; 1000].join(","))).unwrap();
        check(&format!("x in [{}]", vec!["d('2026-11-21T00:00:00Z')"; 500].join(","))).unwrap();
        check("x == 'a`b'").unwrap();
    }
}
