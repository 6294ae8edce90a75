//! How a sale at a counter is paid.

use serde::{Deserialize, Serialize};

/// How the money comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = CounterMethod)]
pub enum Method {
    /// Into the drawer.
    Cash,
    /// By the card terminal on the counter, which prints a reference.
    Card,
}

impl Method {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Cash, Self::Card];

    /// The name in the database and in JSON, which is the payment provider's as well.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cash => "cash",
            Self::Card => "card",
        }
    }

    /// Reads that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for method in Method::ALL {
            assert_eq!(Method::from_name(method.as_str()), Some(method));
            assert_eq!(serde_json::to_value(method).unwrap(), method.as_str());
        }
        assert_eq!(Method::from_name("Cash"), None);
    }
}
