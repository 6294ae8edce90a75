//! Where rules come from, and how they are kept up to date.

mod file;
#[cfg(feature = "http")]
mod http;
mod keeper;
mod memory;
mod overlay;
mod tenants;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use sha2::{Digest, Sha256};

pub use self::file::FileSource;
#[cfg(feature = "http")]
pub use self::http::{HttpSource, HttpSourceBuilder};
pub use self::keeper::{Reload, RuleKeeper, RuleStatus, RuleWatch};
pub use self::memory::MemorySource;
pub use self::overlay::Overlay;
pub use self::tenants::TenantRules;
use crate::error::{Error, ErrorKind, Result};
use crate::set::{MAX_BYTES, RuleSetDef, short_enough};

/// Somewhere that a rule set can be read from. With the feature `testing`, `rule_source_conformance_suite!` puts a source to
/// the test.
///
/// # Contract
///
/// - [`load`](Self::load) gives the document as it is now, with a tag that is another when the document is.
/// - Asked with the tag of what is still there, it may answer [`Loaded::Unchanged`], and does no harm by answering with the
///   document again.
/// - What cannot be read is [`ErrorKind::Unavailable`], what is not there [`ErrorKind::NotFound`]; neither is ever an empty
///   document.
/// - A document of more than 32 MiB is [`ErrorKind::TooLarge`], and is not read to its end.
/// - A dropped call leaves nothing behind.
#[async_trait]
pub trait RuleSource: fmt::Debug + Send + Sync + 'static {
    /// Reads the document, unless it is still the one with the tag `known`.
    ///
    /// # Errors
    ///
    /// As the contract says.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future is harmless.
    async fn load(&self, known: Option<&str>) -> Result<Loaded>;

    /// Returns when there may be something new, for sources that hear of it; those that do not are asked from time to time.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no news.
    async fn changed(&self) {
        std::future::pending::<()>().await;
    }
}

#[async_trait]
impl<S: RuleSource + ?Sized> RuleSource for Arc<S> {
    async fn load(&self, known: Option<&str>) -> Result<Loaded> {
        (**self).load(known).await
    }

    async fn changed(&self) {
        (**self).changed().await;
    }
}

/// What a source has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// The document is the one that is known.
    Unchanged,
    /// A document.
    Document(Document),
}

/// A rule set as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The text.
    pub text: String,
    /// How it is written.
    pub format: Format,
    /// What tells it from other documents of the source.
    pub tag: String,
}

/// How a document is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// JSON.
    #[default]
    Json,
    /// YAML, which needs the feature `yaml`.
    Yaml,
}

impl Document {
    /// A document whose tag is a hash of its text.
    #[must_use]
    pub fn new(text: String, format: Format) -> Self {
        let tag = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { text, format, tag }
    }

    /// Reads the rule set.
    ///
    /// # Errors
    ///
    /// As [`RuleSetDef::from_json`]; [`ErrorKind::Invalid`] for YAML without the feature `yaml`.
    pub fn parse(&self) -> Result<RuleSetDef> {
        short_enough(&self.text)?;
        match self.format {
            Format::Json => RuleSetDef::from_json(&self.text),
            #[cfg(feature = "yaml")]
            Format::Yaml => RuleSetDef::from_yaml(&self.text),
            #[cfg(not(feature = "yaml"))]
            Format::Yaml => Err(Error::new(
                ErrorKind::Invalid,
                "rules in YAML: this program was built without the feature `yaml` of nebula-rule-engine; it reads JSON",
            )),
        }
    }
}

impl Format {
    /// By the end of a file name or the path of an address: `.yaml` and `.yml` are YAML, everything else is JSON.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        let end = name.rsplit('.').next().unwrap_or_default();
        if end.eq_ignore_ascii_case("yaml") || end.eq_ignore_ascii_case("yml") { Self::Yaml } else { Self::Json }
    }
}

/// A document that is longer than any rule set may be.
pub(crate) fn too_large(what: impl fmt::Display) -> Error {
    Error::new(ErrorKind::TooLarge, format!("{what}: more than {MAX_BYTES} bytes"))
}

/// A source that cannot be read now.
pub(crate) fn unavailable(
    what: impl fmt::Display,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    let error = error.into();
    Error::new(ErrorKind::Unavailable, format!("{what}: {error}")).with_source(error)
}
