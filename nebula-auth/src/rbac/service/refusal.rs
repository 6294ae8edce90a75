//! Why a change was not made.

use crate::rbac::name::{ConstraintName, UserId};

/// Why [`RbacService`](super::RbacService) did not make a change. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RbacRefusal {
    /// Whoever asks may not make changes of this kind.
    #[error("the permission `{permission}` is needed for this change")]
    NotAllowed {
        /// What is needed.
        permission: &'static str,
    },
    /// The change would give or take what whoever asks does not have.
    #[error("nobody gives or takes what they do not have: {what}")]
    Escalation {
        /// What they do not have.
        what: String,
    },
    /// A role, department or resource would be above itself.
    #[error("this would be a cycle: {}", path.join(" -> "))]
    Cycle {
        /// From the first back to the first.
        path: Vec<String>,
    },
    /// Somebody would have roles that nobody may have together.
    #[error("the roles of `{constraint}` are kept apart, and `{user}` would have too many of them")]
    Separation {
        /// The constraint.
        constraint: ConstraintName,
        /// Who would break it.
        user: UserId,
    },
    /// Something that the change names is not there.
    #[error("there is no {what} `{id}`")]
    Unknown {
        /// What it is.
        what: &'static str,
        /// Its name.
        id: String,
    },
    /// Something of that name is there already.
    #[error("there is a {what} `{id}` already")]
    Exists {
        /// What it is.
        what: &'static str,
        /// Its name.
        id: String,
    },
    /// Something else still needs what is to be removed.
    #[error("the {what} `{id}` is still in use by {by}")]
    InUse {
        /// What it is.
        what: &'static str,
        /// Its name.
        id: String,
        /// What needs it.
        by: String,
    },
    /// Nobody could administer anything any more.
    #[error("this is the last role that may do everything")]
    LastAdministrator,
    /// The change makes no sense.
    #[error("{0}")]
    Invalid(&'static str),
}

impl RbacRefusal {
    /// A stable machine-readable name.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotAllowed { .. } => "not_allowed",
            Self::Escalation { .. } => "escalation_denied",
            Self::Cycle { .. } => "cycle_rejected",
            Self::Separation { .. } => "separation_of_duty",
            Self::Unknown { .. } => "unknown",
            Self::Exists { .. } => "already_exists",
            Self::InUse { .. } => "in_use",
            Self::LastAdministrator => "last_administrator",
            Self::Invalid(_) => "invalid",
        }
    }
}
