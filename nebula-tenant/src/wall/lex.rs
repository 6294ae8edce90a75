//! The first look at a statement: its tokens, with placeholders numbered, and nothing whose reading depends on the server.

use sqlparser::dialect::{Dialect, MySqlDialect, PostgreSqlDialect, SQLiteDialect};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace};

use super::policy::SqlDialect;
use super::refusal::{Refusal, RefusalKind};

/// Stands around the number of a placeholder in what is printed. No statement may contain it.
pub(super) const MARK: char = '\u{1}';

pub(super) struct Lexed {
    pub(super) tokens: Vec<TokenWithSpan>,
    /// How many arguments the statement takes.
    pub(super) arguments: usize,
}

pub(super) fn dialect(of: SqlDialect) -> &'static dyn Dialect {
    match of {
        SqlDialect::Sqlite => &SQLiteDialect {},
        SqlDialect::Postgres => &PostgreSqlDialect {},
        SqlDialect::MySql => &MySqlDialect {},
    }
}

pub(super) fn lex(sql: &str, of: SqlDialect) -> Result<Lexed, Refusal> {
    if sql.contains(|letter: char| letter.is_control() && !matches!(letter, '\t' | '\n' | '\r')) {
        return Err(Refusal::new(RefusalKind::Lexical, "a control character"));
    }
    // Texts stay as they are written, so that they are printed as they were.
    let mut tokens = Tokenizer::new(dialect(of), sql)
        .with_unescape(false)
        .tokenize_with_location()
        .map_err(|error| Refusal::new(RefusalKind::Syntax, format!("a token at {}", error.location)))?;
    let mut placeholders = Placeholders::default();
    for token in &mut tokens {
        match &mut token.token {
            Token::Placeholder(name) => {
                let number = placeholders.number(name, of)?;
                *name = format!("{MARK}{number}{MARK}");
            }
            Token::Word(word) => identifier(&word.value, word.quote_style)?,
            Token::SingleQuotedString(text) => literal(text, '\'', of)?,
            // An identifier on other databases, and a word then.
            Token::DoubleQuotedString(text) => literal(text, '"', of)?,
            Token::HexStringLiteral(text) if text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {}
            Token::HexStringLiteral(_)
            | Token::TripleSingleQuotedString(_)
            | Token::TripleDoubleQuotedString(_)
            | Token::DollarQuotedString(_)
            | Token::SingleQuotedByteStringLiteral(_)
            | Token::DoubleQuotedByteStringLiteral(_)
            | Token::TripleSingleQuotedByteStringLiteral(_)
            | Token::TripleDoubleQuotedByteStringLiteral(_)
            | Token::SingleQuotedRawStringLiteral(_)
            | Token::DoubleQuotedRawStringLiteral(_)
            | Token::TripleSingleQuotedRawStringLiteral(_)
            | Token::TripleDoubleQuotedRawStringLiteral(_)
            | Token::NationalStringLiteral(_)
            | Token::QuoteDelimitedStringLiteral(_)
            | Token::NationalQuoteDelimitedStringLiteral(_)
            | Token::EscapedStringLiteral(_)
            | Token::UnicodeStringLiteral(_) => {
                return Err(Refusal::new(RefusalKind::Lexical, "a text that is not in plain quotes"));
            }
            // MySQL and MariaDB run what stands in these.
            Token::Whitespace(Whitespace::MultiLineComment(text)) if text.starts_with(['!', 'M', '+']) => {
                return Err(Refusal::new(RefusalKind::Lexical, "a comment that a server may obey"));
            }
            _ => {}
        }
    }
    Ok(Lexed { tokens, arguments: placeholders.most })
}

/// The same for what was rewritten: its placeholders are called as in `printed`.
pub(super) fn lex_again(sql: &str, printed: &str, of: SqlDialect) -> Result<Vec<TokenWithSpan>, Refusal> {
    let mut tokens = lex(sql, of)?.tokens;
    let mut marks = printed.split(MARK).skip(1).step_by(2);
    for token in &mut tokens {
        if let Token::Placeholder(name) = &mut token.token {
            // One too many is told from the others by its empty name.
            *name = format!("{MARK}{}{MARK}", marks.next().unwrap_or_default());
        }
    }
    match marks.next() {
        None => Ok(tokens),
        Some(_) => Err(Refusal::new(RefusalKind::Syntax, "written anew, it has fewer placeholders")),
    }
}

/// Letters that have another case can equal ASCII ones for a server (`İ` and `i`).
fn identifier(name: &str, quote: Option<char>) -> Result<(), Refusal> {
    let cased =
        |letter: char| !letter.is_ascii() && letter.is_alphabetic() && (letter.is_lowercase() || letter.is_uppercase());
    if name.contains(cased) || (quote.is_some() && name.contains(['"', '`', '\\', '[', ']', '\''])) {
        return Err(Refusal::new(RefusalKind::Lexical, "a name with unusual letters"));
    }
    Ok(())
}

/// A backslash escapes or not, as the server's settings say.
fn literal(text: &str, quote: char, of: SqlDialect) -> Result<(), Refusal> {
    if text.contains('\\') && (of == SqlDialect::MySql || text.contains(quote)) {
        return Err(Refusal::new(RefusalKind::Lexical, "a text with a backslash"));
    }
    Ok(())
}

#[derive(Default)]
struct Placeholders {
    most: usize,
    numbered: bool,
    plain: bool,
}

impl Placeholders {
    fn number(&mut self, name: &str, of: SqlDialect) -> Result<usize, Refusal> {
        let digits = match of {
            SqlDialect::Postgres => name.strip_prefix('$').filter(|digits| !digits.is_empty()),
            SqlDialect::Sqlite => name.strip_prefix('?').or_else(|| name.strip_prefix('$')),
            SqlDialect::MySql => name.strip_prefix('?').filter(|digits| digits.is_empty()),
        };
        let number = match digits {
            Some("") => {
                self.plain = true;
                Some(self.most + 1)
            }
            Some(digits) => {
                self.numbered = true;
                digits.parse().ok().filter(|number| (1..=65_534).contains(number))
            }
            None => None,
        };
        let number = number.filter(|_| !(self.plain && self.numbered)).ok_or_else(|| {
            Refusal::new(RefusalKind::Lexical, "a placeholder that this database does not know, or mixed kinds")
        })?;
        self.most = self.most.max(number);
        Ok(number)
    }
}
