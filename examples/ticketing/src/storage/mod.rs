//! The database: one file that several processes on this machine may share, or a PostgreSQL server.

mod batches;
mod config;
mod file;
mod migrate;
pub(crate) mod primary;
mod sole;
pub mod sql;
mod transactions;
mod writer;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use sea_orm::{DatabaseConnection, SqlxPostgresConnector, SqlxSqliteConnector};
use secrecy::SecretString;
use sqlx::{
    ConnectOptions as _, Connection as _, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::SqliteConnectOptions,
};
use thiserror::Error;

use self::sql::query;
pub use self::{
    config::{DatabaseConfig, DatabaseProvider},
    primary::Primary,
    sole::{Sole, SoleError},
    sql::{Connection, Pool},
    writer::{Writer, WriterError},
};

/// How long to wait for a connection, or for another process to finish writing.
const PATIENCE: Duration = Duration::from_secs(5);

/// The database cannot be used.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The file.
    #[error("the database file {0} cannot be opened")]
    File(PathBuf, #[source] sqlx::Error),
    /// The server.
    #[error("the PostgreSQL server that the configuration names in database.url cannot be used")]
    Server(#[source] sqlx::Error),
}

/// Readers on a pool, writers through one [`Writer`].
#[derive(Clone, Debug)]
pub struct Database {
    /// For reading. On SQLite, a write through it would work, but wait for the writer's lock.
    pub read: Pool,
    /// For everything that changes something.
    pub write: Writer,
    /// For the delay queue, which claims and settles messages in transactions of its own. On SQLite it is the writer's
    /// one connection: in a line for that connection nobody sleeps, as they would in SQLite's busy time-out.
    pub queue: Pool,
    /// Where the PostgreSQL server is that takes writes; none for a file.
    pub primary: Option<Primary>,
}

impl Database {
    /// The database that the configuration names, which may be a file in this data folder, with its tables up to date.
    ///
    /// # Errors
    ///
    /// When it cannot be opened or reached; the text says which it is.
    pub async fn of(config: &DatabaseConfig, data: &Path) -> Result<Self, OpenError> {
        match (config.provider, &config.url) {
            (DatabaseProvider::Postgres, Some(url)) => {
                Self::connect(url, config.max_connections).await.map_err(OpenError::Server)
            }
            _ => {
                let path = config.path(data);
                Self::open(&path).await.map_err(|error| OpenError::File(path, error))
            }
        }
    }

    /// Opens the file, creating it when absent, and brings its tables up to date.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened or a migration fails.
    pub async fn open(path: &Path) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new().filename(path).foreign_keys(true);
        let write = file::open(options.clone(), 1).await?;
        migrate::sqlite(&write).await?;
        let read = file::open(options, 4).await?;
        let queue = Pool::Sqlite(write.clone());
        Ok(Self { read: Pool::Sqlite(read), queue, write: Writer::sqlite(write), primary: None })
    }

    /// Connects to the server at `url`, or the one of several that takes writes, with up to `connections` connections, and
    /// brings the tables up to date.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached, refuses, or a migration fails.
    pub async fn connect(url: &SecretString, connections: u32) -> Result<Self, sqlx::Error> {
        let primary = Primary::find(url, settings).await?;
        let pool = primary.pool(PgPoolOptions::new().max_connections(connections).acquire_timeout(PATIENCE));
        migrate::postgres(&pool).await?;
        let read = Pool::Postgres(pool.clone());
        Ok(Self { queue: read.clone(), read, write: Writer::postgres(pool), primary: Some(primary) })
    }

    /// Removes everything from the server that the configuration names, if it names one.
    ///
    /// # Errors
    ///
    /// When it cannot be reached or refuses; the text says so.
    pub async fn clear(config: &DatabaseConfig) -> Result<(), OpenError> {
        let (DatabaseProvider::Postgres, Some(url)) = (config.provider, &config.url) else {
            return Ok(());
        };
        let cleared = async {
            let mut connection = Primary::find(url, |options| options).await?.options().connect().await?;
            sqlx::raw_sql(include_str!("../../migrations/postgres/reset.sql")).execute(&mut connection).await?;
            connection.close().await
        };
        cleared.await.map_err(OpenError::Server)
    }

    /// Whether it answers now. A server is asked over a connection of its own: in the pool's line stand all whom it has let down,
    /// and wait for connections that are tried ever less often.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn answers(&self) -> bool {
        let Some(primary) = &self.primary else { return query("SELECT 1").execute(&self.read).await.is_ok() };
        let Ok(mut connection) = primary.options().connect().await else { return false };
        let answered = connection.ping().await.is_ok();
        // It has said what it was asked for.
        let _closed = connection.close().await;
        answered
    }

    /// The database for reading, as SeaORM sees it.
    #[must_use]
    pub fn orm(&self) -> DatabaseConnection {
        match &self.read {
            Pool::Sqlite(pool) => SqlxSqliteConnector::from_sqlx_sqlite_pool(pool.clone()),
            Pool::Postgres(pool) => SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone()),
        }
    }
}

/// What every connection of the platform asks of the server: to end what takes too long, also when this process is gone
/// without a word.
fn settings(options: PgConnectOptions) -> PgConnectOptions {
    options.application_name("ticketing").options([
        ("statement_timeout", "10s"),
        ("lock_timeout", "5s"),
        ("idle_in_transaction_session_timeout", "30s"),
    ])
}

/// A file beside the platform's, made when absent, for what must neither wait for selling nor be waited for by it.
pub(crate) async fn side_file(path: &Path) -> Result<SqlitePool, sqlx::Error> {
    // What is removed there, or sealed, is overwritten.
    file::open(SqliteConnectOptions::new().filename(path).pragma("secure_delete", "ON"), 4).await
}
