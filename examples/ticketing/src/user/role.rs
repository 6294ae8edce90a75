//! What an account may do.

use serde::Serialize;

/// What an account may do. The database decides, not the token: a demotion does not wait for an expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Buys tickets.
    Buyer,
    /// Looks after the platform; may buy as well.
    Admin,
}

impl Role {
    /// As the database keeps it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Buyer => "buyer",
            Self::Admin => "admin",
        }
    }

    /// Reads what [`as_str`](Self::as_str) writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "buyer" => Some(Self::Buyer),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }
}
