//! Scopes as conditions of SQL.

use super::column::{BindValue, Column};

/// How a database marks values in statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Placeholders {
    /// `?`: SQLite.
    Question,
    /// `?`, with values compared byte by byte: MySQL, MariaDB. What these call equal depends on the collation of the column:
    /// most of them take `Ann` and `änn` for `ann`, who is somebody else here.
    MySql,
    /// `$1`, `$2`, …: PostgreSQL (and SQLite).
    Dollar,
}

/// A condition on records, with values to bind; values never stand in the text.
///
/// ```
/// # use nebula_auth::data::{Placeholders, Predicate};
/// # fn statement(scope: Predicate) -> String {
/// // The caller's own condition comes first, so that its placeholders keep their numbers.
/// format!("SELECT id FROM orders WHERE {}", scope.within("total > $1 OR urgent"))
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predicate {
    /// The condition, in parentheses.
    pub sql: String,
    /// What to bind to its placeholders, in order, each of its column's type.
    pub values: Vec<BindValue>,
}

impl Predicate {
    /// Another condition and this one. The other one may hold an `OR`: it stays within the scope.
    #[must_use]
    pub fn within(&self, condition: &str) -> String {
        format!("({condition}) AND {}", self.sql)
    }
}

/// Writes a condition.
pub(super) struct Writer {
    style: Placeholders,
    next: usize,
    parts: Vec<String>,
    values: Vec<BindValue>,
}

impl Writer {
    pub(super) fn new(style: Placeholders, first: usize) -> Self {
        Self { style, next: first, parts: Vec::new(), values: Vec::new() }
    }

    /// `column` has one of these ids. Those that it cannot have are nobody's there.
    pub(super) fn one_of<'a>(&mut self, column: Column, ids: impl Iterator<Item = &'a str>) {
        let values: Vec<BindValue> = ids.filter_map(|id| column.value(id)).collect();
        let (column, is_text) = (column.name(), column.is_text());
        if values.is_empty() {
            return;
        }
        let listed = self.listed(&values);
        let part = match self.style {
            Placeholders::Question | Placeholders::Dollar => format!("{column} IN ({listed})"),
            // Numbers and bytes are equal or not.
            Placeholders::MySql if !is_text => format!("{column} IN ({listed})"),
            Placeholders::MySql => {
                // The first half finds them by an index, the second one says which of them are meant.
                let again = self.listed(&values);
                format!("({column} IN ({listed}) AND CAST({column} AS BINARY) IN ({again}))")
            }
        };
        self.parts.push(part);
    }

    /// A placeholder for each value.
    fn listed(&mut self, values: &[BindValue]) -> String {
        let marks: Vec<String> = (self.next..)
            .take(values.len())
            .map(|number| match self.style {
                Placeholders::Question | Placeholders::MySql => "?".to_owned(),
                Placeholders::Dollar => format!("${number}"),
            })
            .collect();
        self.next += values.len();
        self.values.extend_from_slice(values);
        marks.join(", ")
    }

    /// One of the parts; nothing if there are none.
    pub(super) fn finish(self) -> Predicate {
        let sql = if self.parts.is_empty() { "(1 = 0)".to_owned() } else { format!("({})", self.parts.join(" OR ")) };
        Predicate { sql, values: self.values }
    }
}
