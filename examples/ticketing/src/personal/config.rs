//! The keys of personal data.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// The name of the key that lies in the data folder.
pub(super) const FOLDER: &str = "folder";

/// The key that wraps the keys of personal data, and those that did so before.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PersonalDataConfig {
    /// What the key is called. It stands beside what it wrapped, and is no secret; another key gets another name.
    pub key_id: String,
    /// The key: at least 32 bytes, the same in every process. Left out: generated into the data folder.
    pub key: Option<SecretString>,
    /// Former keys by their names: what they wrapped is opened, and wrapped anew when the program starts.
    pub previous: BTreeMap<String, SecretString>,
}

impl Default for PersonalDataConfig {
    fn default() -> Self {
        Self { key_id: "1".to_owned(), key: None, previous: BTreeMap::new() }
    }
}

impl PersonalDataConfig {
    /// Whether it can work.
    ///
    /// # Errors
    ///
    /// The key of the configuration that cannot, and why.
    pub fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let named = |id: &str| {
            (1..=32).contains(&id.len()) && id != FOLDER && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        let short = |key: &SecretString| key.expose_secret().len() < 32;
        if !named(&self.key_id) {
            return Err((
                "personal-data.key-id",
                "has 1 to 32 letters, digits and hyphens, and `folder` is taken by the key of the data folder",
            ));
        }
        if self.key.as_ref().is_some_and(short) {
            return Err(("personal-data.key", "must have at least 32 bytes"));
        }
        if self.key.is_some() && self.previous.contains_key(&self.key_id) {
            return Err(("personal-data.previous", "has a key of the name in key-id: another key gets another name"));
        }
        if self.previous.iter().any(|(id, key)| !named(id) || short(key)) {
            return Err(("personal-data.previous", "names keys of at least 32 bytes as key-id does"));
        }
        Ok(())
    }
}
