//! Limits that hold before a text reaches the parser, which has few of its own.

use crate::error::{Error, ErrorKind, Result};

/// The longest expression, in bytes: room for a list of a thousand names.
const MAX_BYTES: usize = 16 * 1024;
/// The deepest nesting of brackets.
const MAX_BRACKETS: usize = 32;
/// The most operators. A chain of them makes a tree as deep as the chain is long.
const MAX_OPERATORS: usize = 256;

/// Refuses what is too long, too deep or has too many operators. Brackets and operators are counted
/// roughly, and rather too high than too low.
pub(crate) fn check(source: &str) -> Result<()> {
    if source.len() > MAX_BYTES {
        return Err(Error::new(ErrorKind::TooLarge, format!("an expression of more than {MAX_BYTES} bytes")));
    }
    let mut depth = 0_usize;
    let mut operators = 0_usize;
    let mut quote = None;
    let mut word = 0..0;
    for (at, letter) in source.char_indices() {
        if let Some(end) = quote {
            if letter == end {
                quote = None;
            }
            // A template string holds expressions again.
            if end == '`' && letter == '{' {
                operators += 1;
            }
            continue;
        }
        if letter.is_alphanumeric() || letter == '_' {
            word.end = at + letter.len_utf8();
        } else {
            operators += usize::from(is_operator(&source[word.clone()]));
            word = at + letter.len_utf8()..at + letter.len_utf8();
        }
        match letter {
            '"' | '\'' | '`' => quote = Some(letter),
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            // Neither the elements of a list nor the digits of a number nest.
            ',' if depth > 0 => {}
            '.' if source[..at].ends_with(|before: char| before.is_ascii_digit()) => {}
            ',' | '+' | '-' | '*' | '/' | '%' | '^' | '<' | '>' | '=' | '!' | '?' | ':' | ';' | '.' => operators += 1,
            _ => {}
        }
        if depth > MAX_BRACKETS {
            return Err(Error::new(ErrorKind::TooDeep, format!("more than {MAX_BRACKETS} nested brackets")));
        }
    }
    operators += usize::from(is_operator(&source[word]));
    if operators > MAX_OPERATORS {
        return Err(Error::new(ErrorKind::TooDeep, format!("more than {MAX_OPERATORS} operators")));
    }
    Ok(())
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
    }

    #[test]
    fn long_lists_are_not() {
        let names: Vec<String> = (0..1000).map(|number| format!("'n-{number}'")).collect();
        check(&format!("x in [{}]", names.join(", "))).unwrap();
    }
}
