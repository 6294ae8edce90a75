//! PostgreSQL's row-level security as a second wall: the database itself shows a connection only the rows of the tenant
//! that its transaction names.
//!
//! [`statements`] gives what makes a table so; [`audit`] tells at start, and whenever it is asked, what would let a
//! connection past (a superuser, an owner of a table that does not force its policy, a missing policy).
//! Documentation: PostgreSQL, "Row Security Policies".

use std::fmt;

use sqlx::{PgPool, Row as _};

use super::error::DbError;
use super::pool::TenantPool;
use crate::wall::Wall;

/// The statements that put the tables of the wall under row-level security, for a migration of yours. They can be run again.
///
/// A transaction that names no tenant sees nothing: the setting is then empty, which no tenant's name is.
#[must_use]
pub fn statements(wall: &Wall) -> Vec<String> {
    let column = wall.column();
    let mut tables: Vec<_> = wall.tenant_tables().collect();
    tables.sort_unstable();
    let own = format!("{column} = current_setting('nebula.tenant', true)");
    let of = |table: &str| {
        [
            format!("ALTER TABLE \"{table}\" ENABLE ROW LEVEL SECURITY"),
            format!("ALTER TABLE \"{table}\" FORCE ROW LEVEL SECURITY"),
            format!("DROP POLICY IF EXISTS nebula_tenant ON \"{table}\""),
            format!("CREATE POLICY nebula_tenant ON \"{table}\" USING ({own}) WITH CHECK ({own})"),
        ]
    };
    tables.into_iter().flat_map(of).collect()
}

/// What lets a connection past row-level security.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Gap {
    /// The role of the pool's connections is a superuser, or has `BYPASSRLS`.
    Role(String),
    /// There is no such table in the search path.
    Missing(String),
    /// It has no column for the tenant, or one that may be null.
    Column(String),
    /// Row-level security is not enabled, or not forced on its owner.
    NotForced(String),
    /// The role of the pool's connections owns it, and could disable row-level security.
    Owner(String),
    /// Other policies than `nebula_tenant`, or none.
    Policies(String),
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(role) => write!(f, "the role `{role}` is a superuser or has BYPASSRLS: connect as another"),
            Self::Missing(table) => write!(f, "there is no table `{table}`"),
            Self::Column(table) => write!(f, "`{table}` needs a tenant column that is NOT NULL"),
            Self::NotForced(table) => write!(f, "`{table}` does not ENABLE and FORCE ROW LEVEL SECURITY"),
            Self::Owner(table) => {
                write!(f, "`{table}` is owned by the role that tenants' work runs as: connect as another")
            }
            Self::Policies(table) => write!(f, "`{table}` is to have the policy nebula_tenant and no other"),
        }
    }
}

/// Looks for gaps; an empty answer is the good one. Refuse to start otherwise, and ask again in production.
///
/// # Errors
/// [`DbError::Tenant`] outside of the platform's own work ([`as_host`](crate::as_host)), [`DbError::Database`] if the
/// database does not answer.
///
/// # Cancel safety
/// It only reads.
pub async fn audit(pool: &TenantPool<sqlx::Postgres>) -> Result<Vec<Gap>, DbError> {
    let wall = pool.wall();
    let plain = pool.as_host()?;
    let mut gaps = Vec::new();
    let role = sqlx::query(include_str!("role.sql")).fetch_one(plain).await?;
    let bypasses: bool = role.try_get("bypasses")?;
    if bypasses {
        gaps.push(Gap::Role(role.try_get("name")?));
    }
    let mut tables: Vec<_> = wall.tenant_tables().collect();
    tables.sort_unstable();
    for table in tables {
        let found = gaps_of(plain, table, wall.column()).await?;
        // Who bypasses everything needs no table of its own for it.
        gaps.extend(found.into_iter().filter(|gap| !(bypasses && matches!(gap, Gap::Owner(_)))));
    }
    Ok(gaps)
}

async fn gaps_of(pool: &PgPool, table: &str, column: &str) -> Result<Vec<Gap>, DbError> {
    let name = || table.to_owned();
    let Some(row) = sqlx::query(include_str!("table.sql")).bind(table).bind(column).fetch_optional(pool).await? else {
        return Ok(vec![Gap::Missing(name())]);
    };
    let checks = [
        (row.try_get("has_column")?, Gap::Column(name())),
        (row.try_get("forced")?, Gap::NotForced(name())),
        (row.try_get("only_ours")?, Gap::Policies(name())),
        (row.try_get("of_another")?, Gap::Owner(name())),
    ];
    Ok(checks.into_iter().filter_map(|(fine, gap): (bool, Gap)| (!fine).then_some(gap)).collect())
}
