//! The cells of tables: the part of FEEL that is literals, comparisons, ranges and lists.

use std::iter::Peekable;
use std::str::Chars;

use rust_decimal::Decimal;

use super::Read;
use crate::types::Type;

/// A literal.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Text(String),
    Number(Decimal),
    Bool(bool),
}

impl Literal {
    pub(super) const fn ty(&self) -> Type {
        match self {
            Self::Text(_) => Type::Text,
            Self::Number(_) => Type::Decimal,
            Self::Bool(_) => Type::Bool,
        }
    }

    /// In our language.
    pub(super) fn source(&self) -> String {
        match self {
            Self::Text(text) if text.contains('\'') => format!("\"{text}\""),
            Self::Text(text) => format!("'{text}'"),
            Self::Number(number) => number.to_string(),
            Self::Bool(it) => it.to_string(),
        }
    }
}

/// The test of a cell on an input of the type `ty`, as a condition on `$`.
pub(super) fn test(cell: &str, ty: &Type) -> Read<String> {
    let cell = cell.trim();
    if cell.is_empty() || cell == "-" {
        return Ok(String::new());
    }
    let mut reader = Reader { letters: cell.chars().peekable(), cell, ty: Some(ty) };
    let condition = if let Some(inner) = cell.strip_prefix("not").map(str::trim_start).filter(|it| it.starts_with('('))
    {
        let inner = inner.strip_prefix('(').and_then(|it| it.strip_suffix(')')).ok_or_else(|| unread(cell))?;
        reader.letters = inner.chars().peekable();
        format!("not ({})", reader.tests()?)
    } else {
        reader.tests()?
    };
    Ok(condition)
}

/// A single literal.
pub(super) fn literal(cell: &str) -> Read<Literal> {
    match literals(cell)?.as_slice() {
        [one] => Ok(one.clone()),
        _ => Err(unread(cell)),
    }
}

/// Literals with commas between them.
pub(super) fn literals(cell: &str) -> Read<Vec<Literal>> {
    let mut reader = Reader { letters: cell.chars().peekable(), cell, ty: None };
    let mut all = vec![reader.literal()?];
    while reader.takes(',') {
        all.push(reader.literal()?);
    }
    reader.end()?;
    Ok(all)
}

fn unread(cell: &str) -> String {
    format!("`{cell}` is more than literals, comparisons, ranges and lists of these")
}

struct Reader<'a> {
    letters: Peekable<Chars<'a>>,
    cell: &'a str,
    /// What literals have to be.
    ty: Option<&'a Type>,
}

impl Reader<'_> {
    fn space(&mut self) {
        while self.letters.next_if(|letter| letter.is_whitespace()).is_some() {}
    }

    fn takes(&mut self, letter: char) -> bool {
        self.space();
        self.letters.next_if_eq(&letter).is_some()
    }

    fn end(&mut self) -> Read<()> {
        self.space();
        if self.letters.peek().is_none() { Ok(()) } else { Err(unread(self.cell)) }
    }

    fn tests(&mut self) -> Read<String> {
        let mut tests = vec![self.one()?];
        while self.takes(',') {
            tests.push(self.one()?);
        }
        self.end()?;
        Ok(tests.join(" or "))
    }

    fn one(&mut self) -> Read<String> {
        self.space();
        let operator = match self.letters.peek() {
            Some('<' | '>' | '=') => {
                let first = self.letters.next().unwrap_or_default();
                let equal = self.letters.next_if_eq(&'=').is_some();
                match (first, equal) {
                    ('=', _) => "==",
                    ('<', true) => "<=",
                    ('<', false) => "<",
                    ('>', true) => ">=",
                    _ => ">",
                }
            }
            Some('[' | ']' | '(') => return self.range(),
            _ => "==",
        };
        Ok(format!("$ {operator} {}", self.literal()?.source()))
    }

    /// `[1..5]`; an end that does not belong to the range has its bracket turned away, or is round.
    fn range(&mut self) -> Read<String> {
        let from = if self.letters.next() == Some('[') { ">=" } else { ">" };
        let low = self.literal()?.source();
        if !(self.takes('.') && self.letters.next() == Some('.')) {
            return Err(unread(self.cell));
        }
        let high = self.literal()?.source();
        self.space();
        let to = match self.letters.next() {
            Some(']') => "<=",
            Some('[' | ')') => "<",
            _ => return Err(unread(self.cell)),
        };
        Ok(format!("($ {from} {low} and $ {to} {high})"))
    }

    fn literal(&mut self) -> Read<Literal> {
        self.space();
        let literal = match self.letters.peek() {
            Some('"') => self.text()?,
            Some(letter) if letter.is_ascii_digit() || matches!(letter, '-' | '.') => self.number()?,
            _ => {
                let mut word = String::new();
                while let Some(letter) = self.letters.next_if(|letter| letter.is_alphanumeric()) {
                    word.push(letter);
                }
                match word.as_str() {
                    "true" => Literal::Bool(true),
                    "false" => Literal::Bool(false),
                    _ => return Err(unread(self.cell)),
                }
            }
        };
        match self.ty {
            Some(ty) if *ty != literal.ty() => Err(format!("`{}` for {ty}", literal.source())),
            _ => Ok(literal),
        }
    }

    fn text(&mut self) -> Read<Literal> {
        self.letters.next();
        let mut text = String::new();
        loop {
            match self.letters.next() {
                Some('"') => break,
                Some('\\') | None => return Err(unread(self.cell)),
                Some(letter) => text.push(letter),
            }
        }
        Ok(Literal::Text(text))
    }

    fn number(&mut self) -> Read<Literal> {
        let mut text = String::new();
        if self.letters.next_if_eq(&'-').is_some() {
            text.push('-');
            self.space();
        }
        loop {
            if let Some(digit) = self.letters.next_if(char::is_ascii_digit) {
                text.push(digit);
                continue;
            }
            // One dot, and not the two of a range.
            let mut ahead = self.letters.clone();
            let dot = ahead.next() == Some('.') && ahead.next().is_some_and(|after| after.is_ascii_digit());
            if !dot || text.contains('.') {
                break;
            }
            self.letters.next();
            text.push_str(if text.is_empty() || text == "-" { "0." } else { "." });
        }
        crate::money::decimal(&text).map(Literal::Number).map_err(|_| unread(self.cell))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_become_conditions() {
        for (cell, ty, wanted) in [
            ("-", Type::Decimal, ""),
            ("\"a b\"", Type::Text, "$ == 'a b'"),
            ("\"it's\",\"b\"", Type::Text, "$ == \"it's\" or $ == 'b'"),
            (">= 18.5", Type::Decimal, "$ >= 18.5"),
            ("<-3", Type::Decimal, "$ < -3"),
            ("[1..5]", Type::Decimal, "($ >= 1 and $ <= 5)"),
            ("]1 .. .5[", Type::Decimal, "($ > 1 and $ < 0.5)"),
            ("(1.5..2)", Type::Decimal, "($ > 1.5 and $ < 2)"),
            ("not(1, > 3)", Type::Decimal, "not ($ == 1 or $ > 3)"),
            ("true", Type::Bool, "$ == true"),
        ] {
            assert_eq!(test(cell, &ty).as_deref(), Ok(wanted), "{cell}");
        }
        for cell in
            ["null", "x", "1 + 1", "date(\"2026-01-01\")", "[1..", "\"a", "\"\\u0041\"", "1,,2", "not(1", "?>1", "1e3"]
        {
            assert!(test(cell, &Type::Decimal).is_err(), "{cell}");
        }
        assert!(test("\"a\"", &Type::Decimal).unwrap_err().contains("for decimal"));
        assert_eq!(literals("\"a\", 2,true").unwrap().len(), 3);
        assert!(literal("1, 2").is_err());
    }
}
