//! Where the database is.

use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::Deserialize;

/// The database.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct DatabaseConfig {
    /// Which one.
    pub provider: DatabaseProvider,
    /// The SQLite file, relative to the data folder.
    pub file: PathBuf,
    /// Where the PostgreSQL server is: `postgres://user:password@host:5432/database`.
    pub url: Option<SecretString>,
    /// Most connections of a process to the PostgreSQL server.
    pub max_connections: u32,
}

/// Where accounts, shows, orders and payments are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatabaseProvider {
    /// In a file of the data folder.
    #[default]
    Sqlite,
    /// On a PostgreSQL server, 13 or newer.
    Postgres,
}

impl Default for DatabaseConfig {
    fn default() -> Self {
        Self { provider: DatabaseProvider::Sqlite, file: PathBuf::from("ticketing.db"), url: None, max_connections: 16 }
    }
}

impl DatabaseConfig {
    /// Path of the file, in this data folder.
    #[must_use]
    pub fn path(&self, data: &Path) -> PathBuf {
        data.join(&self.file)
    }
}
