//! Where configuration says that rules are.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use super::{duration, invalid};
use crate::error::{Error, Result};
use crate::source::{FileSource, Format, RuleSource};

/// Exactly one of them. No enumeration: formats differ in how they write these, and layers of configuration add keys.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct SourceSection {
    file: Option<PathBuf>,
    http: Option<HttpSection>,
    sqlite: Option<DatabaseSection>,
    postgres: Option<DatabaseSection>,
    mysql: Option<DatabaseSection>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[cfg_attr(not(feature = "http"), allow(dead_code, reason = "read by the feature `http`"))]
pub(super) struct HttpSection {
    url: SecretString,
    #[serde(default)]
    token: Option<SecretString>,
    #[serde(default, deserialize_with = "duration::optional")]
    timeout: Option<Duration>,
    #[serde(default)]
    format: Option<Format>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[cfg_attr(
    not(all(feature = "sqlite", feature = "postgres", feature = "mysql")),
    allow(dead_code, reason = "read by the features of these names")
)]
pub(super) struct DatabaseSection {
    url: SecretString,
    name: String,
    #[serde(default)]
    max_connections: Option<u32>,
}

impl SourceSection {
    pub(super) fn file(path: PathBuf) -> Self {
        Self { file: Some(path), ..Self::default() }
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.http.as_ref().and_then(|http| http.timeout).is_some_and(|timeout| timeout.is_zero()) {
            return Err(invalid("`source.http.timeout` has to be above zero"));
        }
        Ok(())
    }

    pub(super) async fn open(&self) -> Result<Arc<dyn RuleSource>> {
        match self {
            Self { file: Some(path), http: None, sqlite: None, postgres: None, mysql: None } => {
                Ok(Arc::new(FileSource::new(path)))
            }
            #[cfg(feature = "http")]
            Self { file: None, http: Some(section), sqlite: None, postgres: None, mysql: None } => section.open(),
            #[cfg(feature = "sqlite")]
            Self { file: None, http: None, sqlite: Some(section), postgres: None, mysql: None } => {
                section.open::<sqlx::Sqlite>().await
            }
            #[cfg(feature = "postgres")]
            Self { file: None, http: None, sqlite: None, postgres: Some(section), mysql: None } => {
                section.open::<sqlx::Postgres>().await
            }
            #[cfg(feature = "mysql")]
            Self { file: None, http: None, sqlite: None, postgres: None, mysql: Some(section) } => {
                section.open::<sqlx::MySql>().await
            }
            other => Err(other.unusable()),
        }
    }

    /// None, several, or one that this program cannot read.
    fn unusable(&self) -> Error {
        let named: Vec<&str> = [
            ("file", self.file.is_some()),
            ("http", self.http.is_some()),
            ("sqlite", self.sqlite.is_some()),
            ("postgres", self.postgres.is_some()),
            ("mysql", self.mysql.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, is_named)| is_named.then_some(name))
        .collect();
        match named.as_slice() {
            [] => invalid("`source` is missing: name a `file`, an address (`http`) or a database"),
            [feature] => invalid(format!(
                "the source `{feature}` needs the feature `{feature}` of nebula-rule-engine; compiled in: {}",
                compiled_in().join(", ")
            )),
            several => invalid(format!("one `source` is wanted, and these are named: {}", several.join(", "))),
        }
    }
}

fn compiled_in() -> Vec<&'static str> {
    [
        ("file", true),
        ("http", cfg!(feature = "http")),
        ("sqlite", cfg!(feature = "sqlite")),
        ("postgres", cfg!(feature = "postgres")),
        ("mysql", cfg!(feature = "mysql")),
    ]
    .into_iter()
    .filter_map(|(name, is_there)| is_there.then_some(name))
    .collect()
}

#[cfg(feature = "http")]
impl HttpSection {
    fn open(&self) -> Result<Arc<dyn RuleSource>> {
        use secrecy::ExposeSecret;

        let mut source = crate::source::HttpSource::builder(self.url.expose_secret());
        if let Some(token) = &self.token {
            source = source.with_token(token.clone());
        }
        if let Some(timeout) = self.timeout {
            source = source.with_timeout(timeout);
        }
        if let Some(format) = self.format {
            source = source.with_format(format);
        }
        Ok(Arc::new(source.build()?))
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
impl DatabaseSection {
    async fn open<DB: crate::sql::SqlDatabase>(&self) -> Result<Arc<dyn RuleSource>> {
        use secrecy::ExposeSecret;

        // Asking now and then needs no more.
        let pool = sqlx::pool::PoolOptions::<DB>::new().max_connections(self.max_connections.unwrap_or(2).max(1));
        let context = "connecting to the database of rules";
        let pool = pool.connect(self.url.expose_secret()).await.map_err(crate::sql::failed(context))?;
        crate::sql::migrate(&pool).await?;
        Ok(Arc::new(crate::sql::SqlRules::new(pool).source(self.name.as_str())))
    }
}
