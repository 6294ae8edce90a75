//! Why a statement may not pass.

use std::{borrow::Cow, fmt};

/// What kind of reason a [`Refusal`] has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalKind {
    /// It could not be read as SQL of that database.
    Syntax,
    /// Not exactly one statement.
    Statements,
    /// Longer, or nested deeper, than allowed.
    Size,
    /// A construct that the wall does not know, or that cannot be fenced in.
    Construct,
    /// A text or a name whose reading depends on settings of the server.
    Lexical,
    /// A table that was not declared.
    Table,
    /// A function that was not allowed.
    Function,
    /// The tenant column set, moved, or compared by the statement itself.
    TenantColumn,
    /// A shared table written.
    SharedTable,
    /// Columns and values that do not match in number, or are not listed.
    Columns,
    /// Other arguments than the statement has placeholders for.
    Arguments,
}

impl RefusalKind {
    /// A stable lower-case name for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::Statements => "statements",
            Self::Size => "size",
            Self::Construct => "construct",
            Self::Lexical => "lexical",
            Self::Table => "table",
            Self::Function => "function",
            Self::TenantColumn => "tenant_column",
            Self::SharedTable => "shared_table",
            Self::Columns => "columns",
            Self::Arguments => "arguments",
        }
    }
}

/// A statement that may not pass, and why. It names tables, columns, functions and constructs, but no values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    kind: RefusalKind,
    what: Cow<'static, str>,
}

impl Refusal {
    pub(crate) fn new(kind: RefusalKind, what: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, what: what.into() }
    }

    pub(super) fn construct(what: &'static str) -> Self {
        Self::new(RefusalKind::Construct, what)
    }

    /// What kind of reason it is.
    #[must_use]
    pub const fn kind(&self) -> RefusalKind {
        self.kind
    }

    /// What was refused.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.kind {
            RefusalKind::Syntax => "the statement cannot be read",
            RefusalKind::Statements => "exactly one statement is allowed",
            RefusalKind::Size => "the statement is too large",
            RefusalKind::Construct => "this construct is not allowed inside a tenant",
            RefusalKind::Lexical => "bind this as a parameter, or name it plainly",
            RefusalKind::Table => "a table has to be declared as a tenant's or as shared",
            RefusalKind::Function => "a function has to be allowed by name",
            RefusalKind::TenantColumn => "the tenant column is set and compared by the wall alone",
            RefusalKind::SharedTable => "a shared table is not written inside a tenant unless declared writable",
            RefusalKind::Columns => "columns have to be listed, and each value needs one",
            RefusalKind::Arguments => "each placeholder needs one argument",
        };
        write!(f, "{why}: {}", self.what)
    }
}
