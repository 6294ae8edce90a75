//! Rule sets in a database, version by version.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::Pool;

use super::{SqlDatabase, failed, within};
use crate::coupon::check_names;
use crate::error::{Error, ErrorKind, Result};
use crate::set::short_enough;
use crate::source::{Document, Format, Loaded, RuleSource, too_large};

/// Keeps every version of every rule set, and which of them is in force. [`migrate`](super::migrate) makes its tables.
pub struct SqlRules<DB: SqlDatabase> {
    pool: Pool<DB>,
}

/// One rule set of [`SqlRules`] as a source: the version in force.
pub struct SqlSource<DB: SqlDatabase> {
    rules: SqlRules<DB>,
    name: String,
}

impl<DB: SqlDatabase> Clone for SqlRules<DB> {
    fn clone(&self) -> Self {
        Self { pool: self.pool.clone() }
    }
}

impl<DB: SqlDatabase> fmt::Debug for SqlRules<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlRules").field("database", &DB::NAME).finish_non_exhaustive()
    }
}

impl<DB: SqlDatabase> Clone for SqlSource<DB> {
    fn clone(&self) -> Self {
        Self { rules: self.rules.clone(), name: self.name.clone() }
    }
}

impl<DB: SqlDatabase> fmt::Debug for SqlSource<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlSource").field("rules", &self.rules).field("name", &self.name).finish()
    }
}

impl<DB: SqlDatabase> SqlRules<DB> {
    /// Rules in a database that [`migrate`](super::migrate) has prepared.
    #[must_use]
    pub const fn new(pool: Pool<DB>) -> Self {
        Self { pool }
    }

    /// Stores a version of the rules `name` and returns its number, from 1. It is not in force before it is
    /// [activated](Self::activate).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for a bad name, [`ErrorKind::TooLarge`]; [`ErrorKind::Unavailable`], also if others store
    /// versions at the same moment, and what else the database reports.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open whether it was stored, which changes nothing.
    pub async fn store(&self, name: &str, text: &str, format: Format) -> Result<i64> {
        check_names(&[name])?;
        short_enough(text)?;
        let context = "storing rules";
        let format = if format == Format::Yaml { "yaml" } else { "json" };
        within(context, async {
            let mut tx = super::begin(&self.pool, DB::BEGIN).await.map_err(failed(context))?;
            let version = DB::next_version(&mut tx, name).await.map_err(failed(context))?;
            let now = Timestamp::now().as_millisecond();
            match DB::put_document(&mut tx, name, version, (format, text), now).await {
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
                    return Err(Error::new(ErrorKind::Unavailable, "another version was stored at the same moment"));
                }
                stored => stored.map_err(failed(context))?,
            }
            tx.commit().await.map_err(failed(context))?;
            Ok(version)
        })
        .await
    }

    /// Puts a version in force for all who watch the rules `name`: a newer or an older one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is no such version; [`ErrorKind::Unavailable`] and what else the database reports.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open which version is in force; calling again is harmless.
    pub async fn activate(&self, name: &str, version: i64) -> Result<()> {
        let context = "activating rules";
        within(context, async {
            let mut connection = self.pool.acquire().await.map_err(failed(context))?;
            if DB::document(&mut connection, name, version).await.map_err(failed(context))?.is_none() {
                return Err(Error::new(ErrorKind::NotFound, format!("there is no version {version} of `{name}`")));
            }
            DB::activate(&mut connection, name, version).await.map_err(failed(context))
        })
        .await
    }

    /// Puts a version in force if `known` is the one that is in force now, `None` if none is. Of several who know the same
    /// version, one succeeds; the others get `false`, and have changed nothing.
    ///
    /// # Errors
    ///
    /// As [`activate`](Self::activate).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open which version is in force: [`active`](Self::active) says.
    pub async fn activate_after(&self, name: &str, version: i64, known: Option<i64>) -> Result<bool> {
        let context = "activating rules";
        within(context, async {
            let mut connection = self.pool.acquire().await.map_err(failed(context))?;
            if DB::document(&mut connection, name, version).await.map_err(failed(context))?.is_none() {
                return Err(Error::new(ErrorKind::NotFound, format!("there is no version {version} of `{name}`")));
            }
            let changed = DB::activate_after(&mut connection, name, version, known).await.map_err(failed(context))?;
            Ok(changed == 1)
        })
        .await
    }

    /// The latest hundred versions of the rules `name`, from the newest.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] and what else the database reports.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future is harmless.
    pub async fn versions(&self, name: &str) -> Result<Vec<i64>> {
        let context = "listing versions of rules";
        within(context, async {
            let mut connection = self.pool.acquire().await.map_err(failed(context))?;
            DB::versions(&mut connection, name).await.map_err(failed(context))
        })
        .await
    }

    /// A version of the rules `name`, in force or not.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is no such version, [`ErrorKind::TooLarge`]; [`ErrorKind::Unavailable`] and what else
    /// the database reports.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future is harmless.
    pub async fn document(&self, name: &str, version: i64) -> Result<Document> {
        let context = "reading a version of rules";
        within(context, async {
            let mut connection = self.pool.acquire().await.map_err(failed(context))?;
            let document = DB::document(&mut connection, name, version).await.map_err(failed(context))?;
            let missing = || Error::new(ErrorKind::NotFound, format!("there is no version {version} of `{name}`"));
            let (format, text) = document.ok_or_else(missing)?;
            let text = text.ok_or_else(|| too_large(format_args!("version {version} of `{name}`")))?;
            let format = if format == "yaml" { Format::Yaml } else { Format::Json };
            Ok(Document { text, format, tag: version.to_string() })
        })
        .await
    }

    /// The version of the rules `name` that is in force.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`] and what else the database reports.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future is harmless.
    pub async fn active(&self, name: &str) -> Result<Option<i64>> {
        let context = "reading which rules are in force";
        within(context, async {
            let mut connection = self.pool.acquire().await.map_err(failed(context))?;
            DB::active(&mut connection, name).await.map_err(failed(context))
        })
        .await
    }

    /// The rules `name`, to be watched.
    #[must_use]
    pub fn source(&self, name: impl Into<String>) -> SqlSource<DB> {
        SqlSource { rules: self.clone(), name: name.into() }
    }
}

#[async_trait]
impl<DB: SqlDatabase> RuleSource for SqlSource<DB> {
    async fn load(&self, known: Option<&str>) -> Result<Loaded> {
        let context = "reading rules";
        let missing = || Error::new(ErrorKind::NotFound, format!("no version of `{}` is in force", self.name));
        within(context, async {
            let mut connection = self.rules.pool.acquire().await.map_err(failed(context))?;
            let active = DB::active(&mut connection, &self.name).await.map_err(failed(context))?;
            let version = active.ok_or_else(missing)?;
            if known == Some(version.to_string().as_str()) {
                return Ok(Loaded::Unchanged);
            }
            drop(connection);
            self.rules.document(&self.name, version).await.map(Loaded::Document)
        })
        .await
    }
}
