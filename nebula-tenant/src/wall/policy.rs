//! Which tables and functions there are, and how names are compared.

use std::collections::{HashMap, HashSet};

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use super::functions;
use super::refusal::{Refusal, RefusalKind};

/// Whose SQL a wall reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SqlDialect {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB, with the default `sql_mode`.
    MySql,
}

/// What a declared table is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Table {
    /// Each row belongs to one tenant.
    Tenant {
        /// Unique keys that span all tenants, each sorted, in lower case.
        global_keys: Vec<Vec<String>>,
    },
    /// Each tenant has one of its own, in its schema or database.
    Apart,
    /// The same rows for all.
    Shared { writable: bool },
}

#[derive(Debug, Clone)]
pub(super) struct Policy {
    pub(super) dialect: SqlDialect,
    /// Lower case, plain letters.
    pub(super) column: String,
    pub(super) tables: HashMap<String, Table>,
    pub(super) functions: HashSet<String>,
}

impl Policy {
    pub(super) fn new(dialect: SqlDialect, column: String) -> Self {
        Self { dialect, column, tables: HashMap::new(), functions: functions::pure(dialect) }
    }

    /// The table or common table expression that the database means by that name.
    pub(super) fn key(&self, name: &Ident) -> String {
        let folds = match self.dialect {
            SqlDialect::Sqlite => true,
            SqlDialect::Postgres => name.quote_style.is_none(),
            // Depends on the server's file system: whoever writes names as declared is right on all.
            SqlDialect::MySql => false,
        };
        if folds { name.value.to_ascii_lowercase() } else { name.value.clone() }
    }

    pub(super) fn table(&self, name: &Ident) -> Result<&Table, Refusal> {
        self.tables
            .get(&self.key(name))
            .ok_or_else(|| Refusal::new(RefusalKind::Table, format!("`{}` is not declared", name.value)))
    }

    /// Columns are compared as by the most lenient database.
    pub(super) fn is_tenant_column(&self, name: &Ident) -> bool {
        name.value.eq_ignore_ascii_case(&self.column)
    }

    pub(super) fn is_allowed(&self, function: &ObjectName) -> bool {
        plain(function).is_ok_and(|name| self.functions.contains(&name.value.to_ascii_lowercase()))
    }
}

/// The only part of a name. One with a schema could mean a table of another tenant, or of the system.
pub(super) fn plain(name: &ObjectName) -> Result<&Ident, Refusal> {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(name)] => Ok(name),
        _ => Err(Refusal::new(RefusalKind::Table, format!("`{name}` is not a plain name"))),
    }
}

/// The last part of a name.
pub(super) fn last(name: &ObjectName) -> Result<&Ident, Refusal> {
    match name.0.last() {
        Some(ObjectNamePart::Identifier(name)) => Ok(name),
        Some(ObjectNamePart::Function(_)) | None => Err(Refusal::construct("a name that is computed")),
    }
}
