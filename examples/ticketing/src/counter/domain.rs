//! Where a sale is made, and how it is paid.

use serde::{Deserialize, Serialize};

/// Whose counter it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = SalesChannel)]
pub enum Channel {
    /// The merchant's own.
    BoxOffice,
    /// That of somebody who sells for several merchants, for a commission.
    Agent,
}

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

impl Channel {
    /// The name in the database and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BoxOffice => "BOX_OFFICE",
            Self::Agent => "AGENT",
        }
    }

    /// Reads that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::BoxOffice, Self::Agent].into_iter().find(|channel| channel.as_str() == name)
    }
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
        for channel in [Channel::BoxOffice, Channel::Agent] {
            assert_eq!(Channel::from_name(channel.as_str()), Some(channel));
            assert_eq!(serde_json::to_value(channel).unwrap(), channel.as_str());
        }
        for method in Method::ALL {
            assert_eq!(Method::from_name(method.as_str()), Some(method));
            assert_eq!(serde_json::to_value(method).unwrap(), method.as_str());
        }
        assert_eq!((Channel::from_name("ONLINE"), Method::from_name("Cash")), (None, None));
    }
}
