//! The wall around a tenant's rows: statements are rewritten so that they see and change nobody else's.
//!
//! Each table has to be declared, as a tenant's or as shared by all; anything that is not declared, not understood or not
//! known to be harmless is refused ([`Refusal`]). What passes is written anew from what was read, so that no comment, no
//! second statement and no peculiarity of quoting gets past.
//!
//! ```
//! use nebula_tenant::wall::{Slot, SqlDialect, Wall};
//!
//! let wall = Wall::builder(SqlDialect::Postgres).tenant_table("orders").shared_table("currencies").build()?;
//! let safe = wall.rewrite("SELECT id FROM orders o JOIN currencies USING (code) WHERE paid OR id = $1")?;
//! assert_eq!(safe.sql(), "SELECT id FROM orders o JOIN currencies USING(code) WHERE (paid OR id = $1) AND o.tenant_id = $2");
//! assert_eq!(safe.slots(), [Slot::Argument(0), Slot::Tenant]);
//!
//! let refusal = wall.rewrite("SELECT * FROM pg_stats").unwrap_err();
//! assert_eq!(refusal.to_string(), "a table has to be declared as a tenant's or as shared: `pg_stats` is not declared");
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is promised
//! - A statement that passes reads and writes a row of a tenant's table only if the row's tenant column is the tenant bound
//!   to [`Slot::Tenant`]; new rows get that tenant; no row ever changes its tenant.
//! - Among the tenant's rows it does what the original would do in a database that holds this tenant alone, provided that
//!   unique keys hold the tenant column or are declared with [`WallBuilder::global_key`].
//!
//! # What it does not cover
//! - Conditions of the statement may be evaluated on other tenants' rows before ours, as the planner likes. A condition that
//!   fails on some values (a division, a cast) can thus tell that such a value exists somewhere. Row-level security on
//!   PostgreSQL holds back such conditions; constraints reveal in the same way that a global key is taken.
//! - Views, triggers and functions run inside of the database, where no statement is rewritten: declare a view as a tenant's
//!   table only if it shows the tenant column, and allow a function only if it reads no table.

mod expr;
mod from;
mod functions;
mod lex;
mod policy;
mod query;
mod refusal;
mod walk;
mod write;

use std::{collections::hash_map::Entry, fmt, sync::Arc};

use metrics::counter;
use quick_cache::sync::Cache;
use sqlparser::ast::Statement;
use sqlparser::parser::{Parser, ParserOptions};
use sqlparser::tokenizer::TokenWithSpan;

use self::lex::{MARK, lex, lex_again};
use self::policy::{Policy, Table};
use self::walk::{TENANT, Walk};
pub use self::{
    policy::SqlDialect,
    refusal::{Refusal, RefusalKind},
};
use crate::audit::{self, AuditEvent};
use crate::error::{Error, ErrorKind};

/// Longer statements are rewritten each time.
const CACHED: usize = 16 * 1024;

/// What is bound to a placeholder of a rewritten statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Slot {
    /// The caller's argument at that place, from 0.
    Argument(usize),
    /// The tenant.
    Tenant,
}

/// A statement that stays inside of whichever tenant is bound to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    sql: Arc<str>,
    slots: Box<[Slot]>,
    arguments: usize,
}

impl Rewritten {
    /// What the database is given.
    #[must_use]
    pub fn sql(&self) -> &str {
        &self.sql
    }

    #[cfg(feature = "sql")]
    pub(crate) fn shared_sql(&self) -> Arc<str> {
        Arc::clone(&self.sql)
    }

    /// What is bound to its placeholders, in the order in which the driver takes them.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// How many arguments the original takes.
    #[must_use]
    pub const fn arguments(&self) -> usize {
        self.arguments
    }
}

/// Rewrites statements. Cheap to clone; what was rewritten once is remembered.
#[derive(Clone)]
pub struct Wall {
    inner: Arc<Inner>,
}

struct Inner {
    policy: Policy,
    longest: usize,
    rewritten: Cache<Box<str>, Arc<Rewritten>>,
}

impl Wall {
    /// A wall for that database; declare its tables.
    #[must_use]
    pub fn builder(dialect: SqlDialect) -> WallBuilder {
        WallBuilder {
            policy: Policy::new(dialect, "tenant_id".to_owned()),
            longest: 1024 * 1024,
            remembered: 4096,
            wrong: None,
        }
    }

    /// Whose SQL it reads.
    #[must_use]
    pub fn dialect(&self) -> SqlDialect {
        self.inner.policy.dialect
    }

    /// The column that says whose a row is.
    #[must_use]
    pub fn column(&self) -> &str {
        &self.inner.policy.column
    }

    /// The declared tables that hold rows of tenants.
    pub fn tenant_tables(&self) -> impl Iterator<Item = &str> {
        let all = self.inner.policy.tables.iter();
        all.filter(|(_, table)| matches!(table, Table::Tenant { .. } | Table::Apart)).map(|(name, _)| name.as_str())
    }

    /// Whether each tenant has tables of its own, so that no row is told apart by a column.
    #[must_use]
    pub fn is_apart(&self) -> bool {
        self.inner.policy.tables.values().any(|table| matches!(table, Table::Apart))
    }

    /// The statement, restricted to whichever tenant is bound to it.
    ///
    /// # Errors
    /// A [`Refusal`] that says what may not pass. Values of the statement are not in it.
    pub fn rewrite(&self, sql: &str) -> Result<Arc<Rewritten>, Refusal> {
        if let Some(known) = self.inner.rewritten.get(sql) {
            return Ok(known);
        }
        let rewritten = self.inner.rewrite(sql).map(Arc::new).inspect_err(|refusal| {
            let reason = refusal.kind().as_str();
            counter!("nebula_tenant_statements_refused_total", "reason" => reason).increment(1);
            let what = refusal.what().to_owned();
            audit::record(&AuditEvent::Refused { tenant: audit::whose(), reason, what });
        })?;
        if sql.len() <= CACHED {
            self.inner.rewritten.insert(sql.into(), Arc::clone(&rewritten));
        }
        Ok(rewritten)
    }
}

impl fmt::Debug for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wall")
            .field("dialect", &self.inner.policy.dialect)
            .field("column", &self.inner.policy.column)
            .field("tables", &self.inner.policy.tables.keys())
            .finish_non_exhaustive()
    }
}

impl Inner {
    fn rewrite(&self, sql: &str) -> Result<Rewritten, Refusal> {
        if sql.len() > self.longest {
            let what = format!("{} bytes, of which {} are allowed", sql.len(), self.longest);
            return Err(Refusal::new(RefusalKind::Size, what));
        }
        let dialect = self.policy.dialect;
        let lexed = lex(sql, dialect)?;
        let mut statement = parse(lexed.tokens, dialect)?;
        Walk::new(&self.policy).statement(&mut statement)?;
        let printed = statement.to_string();
        let rewritten = Rewritten::new(&printed, dialect, lexed.arguments);
        // What the parser prints is not proven to be what it read. Read again it has to be the same, or at least to print the same.
        let again = parse(lex_again(&rewritten.sql, &printed, dialect)?, dialect)?;
        if again != statement && again.to_string() != printed {
            return Err(Refusal::new(RefusalKind::Syntax, "written anew, it reads differently"));
        }
        Ok(rewritten)
    }
}

/// Reads one statement.
fn parse(tokens: Vec<TokenWithSpan>, dialect: SqlDialect) -> Result<Statement, Refusal> {
    let parsed = Parser::new(lex::dialect(dialect))
        .with_options(ParserOptions { unescape: false, ..ParserOptions::default() })
        .with_tokens_with_locations(tokens)
        .parse_statements();
    // The parser's words repeat the statement's.
    let mut statements = parsed.map_err(|error| {
        let words = error.to_string();
        let place = words.rsplit_once(" at Line: ").map_or("somewhere", |(_, place)| place);
        Refusal::new(RefusalKind::Syntax, format!("line {place}"))
    })?;
    match (statements.pop(), statements.len()) {
        (Some(statement), 0) => Ok(statement),
        (one, more) => {
            let given = more + usize::from(one.is_some());
            Err(Refusal::new(RefusalKind::Statements, format!("{given} were given")))
        }
    }
}

impl Rewritten {
    fn new(printed: &str, dialect: SqlDialect, arguments: usize) -> Self {
        let mut sql = String::with_capacity(printed.len());
        let mut slots = Vec::with_capacity(arguments + 1);
        let mut fenced = false;
        for (place, part) in printed.split(MARK).enumerate() {
            if place % 2 == 0 {
                sql.push_str(part);
                continue;
            }
            let number = part.parse().unwrap_or(TENANT);
            let (slot, number) = match number {
                TENANT => {
                    fenced = true;
                    (Slot::Tenant, arguments + 1)
                }
                number => (Slot::Argument(number - 1), number),
            };
            match dialect {
                SqlDialect::MySql => {
                    sql.push('?');
                    slots.push(slot);
                }
                SqlDialect::Postgres => sql.push_str(&format!("${number}")),
                SqlDialect::Sqlite => sql.push_str(&format!("?{number}")),
            }
        }
        if dialect != SqlDialect::MySql {
            slots.extend((0..arguments).map(Slot::Argument));
            if fenced {
                slots.push(Slot::Tenant);
            }
        }
        Self { sql: sql.into(), slots: slots.into(), arguments }
    }
}

/// Declares what a [`Wall`] lets pass.
#[derive(Debug, Clone)]
pub struct WallBuilder {
    policy: Policy,
    longest: usize,
    remembered: usize,
    wrong: Option<String>,
}

impl WallBuilder {
    /// The column that says whose a row is, in all tables; `tenant_id` by default.
    #[must_use]
    pub fn column(mut self, column: &str) -> Self {
        let plain = !column.is_empty()
            && column.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            && !column.starts_with(|letter: char| letter.is_ascii_digit());
        if !plain {
            self.wrong = Some(format!("the column `{column}` is to be of a-z, 0-9 and _"));
        }
        column.clone_into(&mut self.policy.column);
        self
    }

    /// A table whose rows belong to one tenant each. On MySQL, name it exactly as statements do.
    #[must_use]
    pub fn tenant_table(self, name: &str) -> Self {
        self.table(name, Table::Tenant { global_keys: Vec::new() })
    }

    /// A table that each tenant has one of, in its own schema or its own database: see
    /// [`TenantPool::schemas`](crate::db::TenantPool::schemas) and [`TenantPool::databases`](crate::db::TenantPool::databases). No condition is added, and a
    /// wall has tables of this kind or of the kind [`tenant_table`](Self::tenant_table), not of both.
    #[must_use]
    pub fn apart_table(self, name: &str) -> Self {
        self.table(name, Table::Apart)
    }

    /// A table whose rows are the same for all, and that tenants only read.
    #[must_use]
    pub fn shared_table(self, name: &str) -> Self {
        self.table(name, Table::Shared { writable: false })
    }

    /// A table whose rows are the same for all, and that tenants may write.
    #[must_use]
    pub fn writable_shared_table(self, name: &str) -> Self {
        self.table(name, Table::Shared { writable: true })
    }

    /// A unique key of a tenant's table that does not hold the tenant column, such as one of random ids. It is then left as it
    /// is in `ON CONFLICT (…)`; others get the tenant column. If the row that is there already is another tenant's, it is not
    /// updated.
    #[must_use]
    pub fn global_key<'a>(mut self, table: &str, columns: impl IntoIterator<Item = &'a str>) -> Self {
        match self.policy.tables.get_mut(&self.declared(table)) {
            Some(Table::Tenant { global_keys }) => {
                let mut key: Vec<_> = columns.into_iter().map(str::to_ascii_lowercase).collect();
                key.sort_unstable();
                global_keys.push(key);
            }
            Some(Table::Shared { .. } | Table::Apart) | None => {
                self.wrong = Some(format!("a key for `{table}`, which is not declared as a tenant's before"));
            }
        }
        self
    }

    /// A function that reads and changes nothing but its arguments, or only what is the same for all.
    #[must_use]
    pub fn allow_function(mut self, name: &str) -> Self {
        self.policy.functions.insert(name.to_ascii_lowercase());
        self
    }

    /// A function that is allowed otherwise.
    #[must_use]
    pub fn forbid_function(mut self, name: &str) -> Self {
        self.policy.functions.remove(&name.to_ascii_lowercase());
        self
    }

    /// How many rewritten statements are remembered; 4096 by default.
    #[must_use]
    pub const fn with_remembered(mut self, statements: usize) -> Self {
        self.remembered = statements;
        self
    }

    /// How many bytes a statement may have; 1 MiB by default.
    #[must_use]
    pub const fn with_longest(mut self, bytes: usize) -> Self {
        self.longest = bytes;
        self
    }

    /// The wall.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if a name cannot be one, or is declared twice.
    pub fn build(self) -> Result<Wall, Error> {
        if let Some(wrong) = self.wrong {
            return Err(Error::new(ErrorKind::Config, wrong));
        }
        let fenced = |table: &Table| matches!(table, Table::Tenant { .. });
        if self.policy.tables.values().any(|table| matches!(table, Table::Apart))
            && self.policy.tables.values().any(fenced)
        {
            let what = "tables that tenants share beside tables that they have one of each: make two walls";
            return Err(Error::new(ErrorKind::Config, what));
        }
        let rewritten = Cache::new(self.remembered);
        Ok(Wall { inner: Arc::new(Inner { policy: self.policy, longest: self.longest, rewritten }) })
    }

    fn table(mut self, name: &str, table: Table) -> Self {
        let unusual = |letter: char| letter.is_control() || "\"`'\\[].".contains(letter);
        if name.is_empty() || name.contains(unusual) {
            self.wrong = Some(format!("the table `{name}` is to be a plain name without a schema"));
        }
        let key = self.declared(name);
        match self.policy.tables.entry(key) {
            Entry::Occupied(_) => self.wrong = Some(format!("the table `{name}` is declared twice")),
            Entry::Vacant(place) => drop(place.insert(table)),
        }
        self
    }

    fn declared(&self, name: &str) -> String {
        match self.policy.dialect {
            SqlDialect::Sqlite => name.to_ascii_lowercase(),
            SqlDialect::Postgres | SqlDialect::MySql => name.to_owned(),
        }
    }
}
