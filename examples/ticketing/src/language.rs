//! In which language the platform writes to somebody.

use serde::{Deserialize, Serialize};

/// A language that the platform speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Chinese.
    Zh,
}

impl Language {
    /// Its name, as the database has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh",
        }
    }

    /// The language of that name; English for any other.
    #[must_use]
    pub fn of(name: &str) -> Self {
        if name == Self::Zh.as_str() { Self::Zh } else { Self::En }
    }
}
