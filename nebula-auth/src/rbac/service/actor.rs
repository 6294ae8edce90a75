//! Who makes a change, and what became of it.

use super::refusal::RbacRefusal;
use crate::rbac::{name::UserId, store::Head};

/// Who makes a change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Actor {
    /// A user, who needs the permission for the change and cannot give or take what they do not have.
    User(UserId),
    /// The application itself, for example when it sets up its first administrator. It is bound by cycles and
    /// separations, not by permissions.
    System {
        /// On which occasion; it stands in the audit log.
        occasion: &'static str,
    },
}

impl Actor {
    /// The application itself, on that occasion.
    #[must_use]
    pub const fn system(occasion: &'static str) -> Self {
        Self::System { occasion }
    }

    pub(crate) fn name(&self) -> String {
        match self {
            Self::User(id) => id.to_string(),
            Self::System { occasion } => format!("system: {occasion}"),
        }
    }
}

/// What became of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a refused change was not made"]
pub enum RbacOutcome {
    /// It is made; this is the store's head after it. If there was nothing to change, the head is as it was.
    Done(Head),
    /// It is not made.
    Refused(RbacRefusal),
}

impl RbacOutcome {
    /// The refusal as an error, for `?`.
    ///
    /// # Errors
    /// The refusal.
    pub fn into_result(self) -> Result<Head, RbacRefusal> {
        match self {
            Self::Done(head) => Ok(head),
            Self::Refused(refusal) => Err(refusal),
        }
    }

    /// Whether the change is made.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }
}
