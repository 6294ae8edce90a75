//! Where a value belongs.

/// The column that a value belongs to, and the row in it.
///
/// ```
/// use nebula_tenant::seal::Place;
///
/// const PHONE: Place<'static> = Place::column("buyers", "phone");
/// let of_one = PHONE.row("42");
/// assert_eq!((of_one.table(), of_one.column_name(), of_one.row_key()), ("buyers", "phone", "42"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    table: &'a str,
    column: &'a str,
    row: &'a str,
}

impl<'a> Place<'a> {
    /// A column, for whatever concerns all of its rows.
    #[must_use]
    pub const fn column(table: &'a str, column: &'a str) -> Self {
        Self { table, column, row: "" }
    }

    /// The row with this key.
    #[must_use]
    pub const fn row<'b>(self, key: &'b str) -> Place<'b>
    where
        'a: 'b,
    {
        Place { table: self.table, column: self.column, row: key }
    }

    /// The table.
    #[must_use]
    pub const fn table(&self) -> &'a str {
        self.table
    }

    /// The name of the column.
    #[must_use]
    pub const fn column_name(&self) -> &'a str {
        self.column
    }

    /// The key of the row, or nothing.
    #[must_use]
    pub const fn row_key(&self) -> &'a str {
        self.row
    }
}

/// Parts one after the other, each with its length before it: no two lists give the same bytes.
pub(super) fn joined(parts: &[&[u8]]) -> Vec<u8> {
    let mut joined = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        joined.extend_from_slice(&(part.len() as u64).to_be_bytes());
        joined.extend_from_slice(part);
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(joined(&[b"ab", b"c"]), joined(&[b"a", b"bc"]));
        assert_ne!(joined(&[b"a", b""]), joined(&[b"a"]));
    }
}
