//! A statement with its values.

use std::{io, time::Duration};

use sqlx::{AssertSqlSafe, Executor, Postgres, Sqlite};

use super::{Column, Row, Sql, Target, Value};

/// How long a server may take for a statement; it ends slow ones by itself, unless it or the network is gone.
const PATIENCE: Duration = Duration::from_secs(15);

/// A statement and what is bound to its parameters.
#[derive(Clone, Debug)]
#[must_use = "a query does nothing until it is run"]
pub struct Query {
    sql: Sql,
    values: Vec<Value>,
}

/// A statement without values yet.
pub fn query(sql: impl Into<Sql>) -> Query {
    Query { sql: sql.into(), values: Vec::new() }
}

macro_rules! bound {
    ($query:ident, $database:ty, $own:ident) => {{
        let mut bound = match $query.sql {
            Sql::Same(text) | Sql::Each { $own: text, .. } => sqlx::query::<$database>(text),
            // Parts of it are constants of this program; whatever comes from outside is bound.
            Sql::Built(text) => sqlx::query::<$database>(AssertSqlSafe(text)),
        };
        for value in $query.values {
            bound = match value {
                Value::Integer(value) => bound.bind(value),
                Value::Real(value) => bound.bind(value),
                Value::Text(value) => bound.bind(value),
            };
        }
        bound
    }};
}

impl Query {
    /// Binds the next parameter.
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Runs it and answers the number of rows that it changed.
    ///
    /// # Errors
    ///
    /// When the database refuses or cannot be reached. So for every function here.
    ///
    /// # Cancel safety
    ///
    /// Whether a dropped statement ran is unknown; within a transaction it counts only if that commits. So for every
    /// function here.
    pub async fn execute<'t>(self, target: impl Into<Target<'t>>) -> sqlx::Result<u64> {
        Ok(match target.into() {
            Target::SqlitePool(pool) => pool.execute(bound!(self, Sqlite, sqlite)).await?.rows_affected(),
            Target::Sqlite(connection) => connection.execute(bound!(self, Sqlite, sqlite)).await?.rows_affected(),
            Target::PgPool(pool) => patiently(pool.execute(bound!(self, Postgres, postgres))).await?.rows_affected(),
            Target::Pg(connection) => {
                patiently(connection.execute(bound!(self, Postgres, postgres))).await?.rows_affected()
            }
        })
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    ///
    /// See [`execute`](Self::execute).
    pub async fn fetch_optional<'t>(self, target: impl Into<Target<'t>>) -> sqlx::Result<Option<Row>> {
        Ok(match target.into() {
            Target::SqlitePool(pool) => pool.fetch_optional(bound!(self, Sqlite, sqlite)).await?.map(Row::Sqlite),
            Target::Sqlite(connection) => {
                connection.fetch_optional(bound!(self, Sqlite, sqlite)).await?.map(Row::Sqlite)
            }
            Target::PgPool(pool) => {
                patiently(pool.fetch_optional(bound!(self, Postgres, postgres))).await?.map(Row::Postgres)
            }
            Target::Pg(connection) => {
                patiently(connection.fetch_optional(bound!(self, Postgres, postgres))).await?.map(Row::Postgres)
            }
        })
    }

    /// All rows.
    ///
    /// # Errors
    ///
    /// See [`execute`](Self::execute).
    pub async fn fetch_all<'t>(self, target: impl Into<Target<'t>>) -> sqlx::Result<Vec<Row>> {
        let sqlite = |rows: Vec<_>| rows.into_iter().map(Row::Sqlite).collect();
        let postgres = |rows: Vec<_>| rows.into_iter().map(Row::Postgres).collect();
        Ok(match target.into() {
            Target::SqlitePool(pool) => sqlite(pool.fetch_all(bound!(self, Sqlite, sqlite)).await?),
            Target::Sqlite(connection) => sqlite(connection.fetch_all(bound!(self, Sqlite, sqlite)).await?),
            Target::PgPool(pool) => postgres(patiently(pool.fetch_all(bound!(self, Postgres, postgres))).await?),
            Target::Pg(connection) => {
                postgres(patiently(connection.fetch_all(bound!(self, Postgres, postgres))).await?)
            }
        })
    }

    /// The first column of the first row.
    ///
    /// # Errors
    ///
    /// See [`execute`](Self::execute); also when there is no row.
    pub async fn scalar<'t, T: Column>(self, target: impl Into<Target<'t>>) -> sqlx::Result<T> {
        self.scalar_optional(target).await?.ok_or(sqlx::Error::RowNotFound)
    }

    /// The first column of the first row, if there is one.
    ///
    /// # Errors
    ///
    /// See [`execute`](Self::execute).
    pub async fn scalar_optional<'t, T: Column>(self, target: impl Into<Target<'t>>) -> sqlx::Result<Option<T>> {
        self.fetch_optional(target).await?.map(|row| row.get(0)).transpose()
    }

    /// The first column of all rows.
    ///
    /// # Errors
    ///
    /// See [`execute`](Self::execute).
    pub async fn scalars<'t, T: Column>(self, target: impl Into<Target<'t>>) -> sqlx::Result<Vec<T>> {
        self.fetch_all(target).await?.iter().map(|row| row.get(0)).collect()
    }
}

async fn patiently<T>(statement: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    let late = |_| Err(sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the database did not answer in time")));
    tokio::time::timeout(PATIENCE, statement).await.unwrap_or_else(late)
}
