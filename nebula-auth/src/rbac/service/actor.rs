//! Who makes a change, and what became of it.

use super::refusal::RbacRefusal;
use std::collections::BTreeSet;

use crate::rbac::{
    authority::{Active, Authority},
    model::User,
    name::{RoleName, UserId},
    permission::PermissionPattern,
    policy::Policy,
    store::Head,
};

/// Who makes a change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Actor {
    /// A user, who needs the permission for the change and cannot give or take what they do not have.
    User(UserId),
    /// A user in a request that has less than all they may do: its token is limited to some permissions, or its session uses
    /// some of their roles only. [`AuthContext::actor`](crate::access::AuthContext::actor) knows.
    Limited {
        /// Who.
        user: UserId,
        /// Nothing beyond these, and no roles and records, if there are any.
        permissions: Option<BTreeSet<PermissionPattern>>,
        /// These roles only, if there are any.
        roles: Option<BTreeSet<RoleName>>,
    },
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

    pub(super) const fn user(&self) -> Option<&UserId> {
        match self {
            Self::User(user) | Self::Limited { user, .. } => Some(user),
            Self::System { .. } => None,
        }
    }

    /// What they may do, and so what they may give and take.
    pub(super) fn authority(&self, policy: &Policy, user: &User, now: std::time::SystemTime) -> Authority {
        let Self::Limited { permissions, roles, .. } = self else {
            return Authority::of(policy, user, Active::Compatible, now);
        };
        let active = roles.as_ref().map_or(Active::Compatible, Active::Only);
        let mut authority = Authority::of(policy, user, active, now);
        if let Some(limits) = permissions {
            // Of a permission and a limit, whichever is narrower.
            let both = |own: &PermissionPattern, limit: &PermissionPattern| match limit.includes(own) {
                true => Some(own.clone()),
                false => own.includes(limit).then(|| limit.clone()),
            };
            let own = std::mem::take(&mut authority.permissions);
            authority.permissions =
                own.iter().flat_map(|own| limits.iter().filter_map(move |limit| both(own, limit))).collect();
            authority.roles.clear();
            authority.data.clear();
        }
        authority
    }

    pub(crate) fn name(&self) -> String {
        match self {
            Self::User(id) | Self::Limited { user: id, .. } => id.to_string(),
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
