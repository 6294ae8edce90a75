//! Tables from text and back.

use super::TableDef;
use crate::error::{Error, ErrorKind, Result};
use crate::set::short_enough;

impl TableDef {
    /// Reads JSON.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] with line and column of what cannot be read; [`ErrorKind::TooLarge`].
    pub fn from_json(text: &str) -> Result<Self> {
        short_enough(text)?;
        serde_json::from_str(text).map_err(|error| Error::new(ErrorKind::Invalid, format!("a table in JSON: {error}")))
    }

    /// Writes JSON.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`], which is out of reach: everything in it can be written.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).map_err(|error| Error::new(ErrorKind::Invalid, "a table").with_source(error))
    }

    /// Reads YAML.
    ///
    /// # Errors
    ///
    /// As [`from_json`](Self::from_json).
    #[cfg(feature = "yaml")]
    pub fn from_yaml(text: &str) -> Result<Self> {
        short_enough(text)?;
        serde_saphyr::from_str(text)
            .map_err(|error| Error::new(ErrorKind::Invalid, format!("a table in YAML: {error}")))
    }

    /// Writes YAML.
    ///
    /// # Errors
    ///
    /// As [`to_json`](Self::to_json).
    #[cfg(feature = "yaml")]
    pub fn to_yaml(&self) -> Result<String> {
        serde_saphyr::to_string(self).map_err(|error| Error::new(ErrorKind::Invalid, "a table").with_source(error))
    }
}
