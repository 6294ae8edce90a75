//! The accounts in the database.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use sqlx::SqlitePool;

use crate::{
    ids::UserId,
    problem::{Code, Problem, Result},
    show::Cache,
};

/// How long a role is believed: a demotion takes effect within this time, whatever the token says.
const ROLE_AGE: Duration = Duration::from_millis(500);

/// What an account may do.
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

/// Accounts, passwords and tokens.
#[derive(Clone, Debug)]
pub struct Users(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    read: SqlitePool,
    roles: Cache<UserId, Option<Role>>,
}

impl Users {
    /// Accounts in this database.
    #[must_use]
    pub fn new(read: SqlitePool) -> Self {
        Self(Arc::new(Inner { read, roles: Cache::new(16_384, Some(ROLE_AGE)) }))
    }

    /// The role of an account now; `None` when there is no such account.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn role(&self, user: UserId) -> Result<Option<Role>> {
        self.0
            .roles
            .get(user, || async {
                let role: Option<String> = sqlx::query_scalar("SELECT role FROM users WHERE id = ?")
                    .bind(user)
                    .fetch_optional(&self.0.read)
                    .await?;
                Ok(role.as_deref().and_then(Role::parse))
            })
            .await
    }

    /// Whose access token this is, and what they may do now.
    pub(super) async fn authenticate(&self, _token: &str) -> Result<(UserId, Role)> {
        Err(Problem::new(Code::Unauthenticated, "Sign in and send the access token."))
    }
}
