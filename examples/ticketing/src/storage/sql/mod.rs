//! SQL on either database, chosen by configuration.
//!
//! A statement is one text for both wherever it can be: parameters are `$1`, `$2`, …, which SQLite understands as well.
//! Numbers are 64 bits wide and identifiers are text in both, so that a row reads alike.

mod query;
mod row;
mod value;

use sqlx::{PgConnection, PgPool, SqliteConnection, SqlitePool};

pub use self::{
    query::{Query, query},
    row::{Column, Row},
    value::Value,
};

/// Connections to the database.
#[derive(Clone, Debug)]
pub enum Pool {
    /// The embedded default.
    Sqlite(SqlitePool),
    /// A server.
    Postgres(PgPool),
}

/// One connection, within a transaction.
#[derive(Debug)]
pub enum Connection<'c> {
    /// To the file.
    Sqlite(&'c mut SqliteConnection),
    /// To the server.
    Postgres(&'c mut PgConnection),
}

impl Connection<'_> {
    /// Waits until no other transaction has this lock, and keeps it to the end of this one.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached or others keep it too long.
    ///
    /// # Cancel safety
    ///
    /// The lock goes with the transaction.
    pub async fn alone(&mut self, lock: i64) -> sqlx::Result<()> {
        // On SQLite, whoever writes is alone.
        if let Self::Postgres(connection) = self {
            sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(lock).execute(&mut **connection).await?;
        }
        Ok(())
    }
}

/// The text of a statement.
#[derive(Clone, Debug)]
pub enum Sql {
    /// The same for both databases.
    Same(&'static str),
    /// Where they differ.
    Each {
        /// For SQLite.
        sqlite: &'static str,
        /// For PostgreSQL.
        postgres: &'static str,
    },
    /// Put together from constant parts.
    Built(String),
}

impl From<&'static str> for Sql {
    fn from(text: &'static str) -> Self {
        Self::Same(text)
    }
}

/// How SQLite would run a statement with one parameter.
#[cfg(test)]
pub(crate) async fn plan(sql: &str, pool: &Pool) -> String {
    let steps = query(Sql::Built(format!("EXPLAIN QUERY PLAN {sql}"))).bind(1_i64).fetch_all(pool).await.unwrap();
    steps.iter().map(|step| step.get::<String>("detail").unwrap()).collect::<Vec<_>>().join("; ")
}

/// Where a statement runs.
#[derive(Debug)]
pub enum Target<'t> {
    /// On any connection of the pool.
    SqlitePool(&'t SqlitePool),
    /// On this connection.
    Sqlite(&'t mut SqliteConnection),
    /// On any connection of the pool.
    PgPool(&'t PgPool),
    /// On this connection.
    Pg(&'t mut PgConnection),
}

impl<'t> From<&'t Pool> for Target<'t> {
    fn from(pool: &'t Pool) -> Self {
        match pool {
            Pool::Sqlite(pool) => Self::SqlitePool(pool),
            Pool::Postgres(pool) => Self::PgPool(pool),
        }
    }
}

impl<'t> From<&'t mut Connection<'_>> for Target<'t> {
    fn from(connection: &'t mut Connection<'_>) -> Self {
        match connection {
            Connection::Sqlite(connection) => Self::Sqlite(connection),
            Connection::Postgres(connection) => Self::Pg(connection),
        }
    }
}
