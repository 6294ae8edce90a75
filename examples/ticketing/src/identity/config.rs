//! How names are checked.

use std::{collections::BTreeMap, time::Duration};

use secrecy::SecretString;
use serde::Deserialize;

use crate::{duration, endpoint::is_here};

/// Real names.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct IdentityConfig {
    /// Who is asked. Left out: an authority for demonstrations with demo data on a server that only this machine reaches, and
    /// nobody elsewhere.
    pub authority: Option<AuthorityConfig>,
}

/// A service that says whether a name and a document belong together.
///
/// It is sent `POST` with a JSON object of `name`, `kind` (`cn-id` or `passport`), `country` and `number`, and answers with status
/// 200 and a JSON object. What the members are called, and the words for the three answers, may be configured.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AuthorityConfig {
    /// Where: `https://…`.
    pub endpoint: String,
    /// Sent as `Authorization: Bearer …`.
    #[serde(default)]
    pub token: Option<SecretString>,
    /// How long an answer may take: a buyer waits for it.
    #[serde(default = "patience", with = "duration")]
    pub timeout: Duration,
    /// Other names of the members `name`, `kind`, `country` and `number`; an empty one leaves the member out.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
    /// Where the answer stands: a JSON pointer.
    #[serde(default = "pointer")]
    pub answer: String,
    /// The word for: they belong together.
    #[serde(default = "matches")]
    pub matches: String,
    /// The word for: the document is somebody else's.
    #[serde(default = "differs")]
    pub differs: String,
    /// The word for: there is no such document.
    #[serde(default = "unknown")]
    pub unknown: String,
}

/// The members that may have another name.
pub(super) const FIELDS: [&str; 4] = ["name", "kind", "country", "number"];

fn patience() -> Duration {
    Duration::from_secs(3)
}

fn pointer() -> String {
    "/result".to_owned()
}

fn matches() -> String {
    "match".to_owned()
}

fn differs() -> String {
    "mismatch".to_owned()
}

fn unknown() -> String {
    "unknown".to_owned()
}

impl IdentityConfig {
    /// Whether it can work.
    ///
    /// # Errors
    ///
    /// The key of the configuration that cannot, and why.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let Some(authority) = &self.authority else { return Ok(()) };
        if !authority.endpoint.starts_with("https://") && !is_here(&authority.endpoint) {
            return Err(("identity.authority.endpoint", "must begin with https://"));
        }
        if authority.timeout.is_zero() || authority.timeout > Duration::from_secs(10) {
            return Err(("identity.authority.timeout", "is more than nothing and at most 10s: a buyer waits for it"));
        }
        if authority.fields.keys().any(|field| !FIELDS.contains(&field.as_str())) {
            return Err(("identity.authority.fields", "renames name, kind, country and number"));
        }
        if !authority.answer.starts_with('/') {
            return Err(("identity.authority.answer", "is a JSON pointer, such as /result"));
        }
        let words = [&authority.matches, &authority.differs, &authority.unknown];
        if words[0] == words[1] || words[0] == words[2] || words[1] == words[2] {
            return Err(("identity.authority", "has three different words for matches, differs and unknown"));
        }
        Ok(())
    }
}
