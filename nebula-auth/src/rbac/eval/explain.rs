//! Why somebody may, or may not.

use std::fmt;

use serde::Serialize;

use super::PermissionEvaluator;
use crate::{
    error::Error,
    rbac::{
        name::{RoleName, UserId},
        permission::{Permission, PermissionPattern},
        policy::Policy,
    },
};

/// Where a permission comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum GrantedBy {
    /// A role of the user, through the roles that it inherits from.
    Role {
        /// From the user's role to the one that has the pattern.
        path: Vec<RoleName>,
        /// What is granted.
        pattern: PermissionPattern,
    },
    /// A grant without a role.
    Direct {
        /// What is granted.
        pattern: PermissionPattern,
        /// By whom.
        by: String,
    },
}

/// Why somebody may, or may not. As text it is for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Who.
    pub user: UserId,
    /// What.
    pub permission: Permission,
    /// The answer.
    pub granted: bool,
    /// Every way in which it is granted.
    pub by: Vec<GrantedBy>,
    /// The user's roles, inherited ones included, that were looked at.
    pub roles: Vec<RoleName>,
    /// Whether there is such a user at all, and whether they are disabled.
    pub state: &'static str,
}

impl PermissionEvaluator {
    /// Why a user has a permission, or why not.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn explain(&self, user: &UserId, permission: &Permission) -> Result<Explanation, Error> {
        let held = self.held(user).await?;
        let mut by = Vec::new();
        if let Some(record) = held.user.as_ref().filter(|record| !record.disabled) {
            // What has ended is not in the authority any more.
            let mine = |pattern: &&PermissionPattern| held.authority.permissions.contains(*pattern);
            let grants = record.grants.iter().filter(|(pattern, _)| pattern.covers(permission));
            by.extend(grants.filter(|(pattern, _)| mine(pattern)).map(|(pattern, assignment)| GrantedBy::Direct {
                pattern: pattern.clone(),
                by: assignment.by.clone(),
            }));
            for role in record.roles.keys().filter(|role| held.authority.roles.contains(*role)) {
                by.extend(ways(&held.policy, role, permission));
            }
        }
        Ok(Explanation {
            user: user.clone(),
            permission: permission.clone(),
            granted: held.authority.allows(permission),
            by,
            roles: held.authority.roles.iter().cloned().collect(),
            state: match &held.user {
                None => "unknown",
                Some(record) if record.disabled => "disabled",
                Some(_) => "active",
            },
        })
    }
}

/// The shortest way to each role that grants it.
fn ways(policy: &Policy, from: &RoleName, permission: &Permission) -> Vec<GrantedBy> {
    let mut seen = std::collections::BTreeSet::from([from.clone()]);
    let mut open = std::collections::VecDeque::from([vec![from.clone()]]);
    let mut found = Vec::new();
    while let Some(path) = open.pop_front() {
        let Some(role) = path.last().and_then(|name| policy.roles.get(name)) else { continue };
        let covering = role.permissions.iter().filter(|pattern| pattern.covers(permission));
        found.extend(covering.map(|pattern| GrantedBy::Role { path: path.clone(), pattern: pattern.clone() }));
        for parent in &role.parents {
            if seen.insert(parent.clone()) {
                open.push_back(path.iter().cloned().chain([parent.clone()]).collect());
            }
        }
    }
    found
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let may = if self.granted { "may" } else { "may not" };
        write!(f, "{:?} ({}) {may} `{}`", self.user.as_str(), self.state, self.permission)?;
        for way in &self.by {
            match way {
                GrantedBy::Role { path, pattern } => {
                    let path: Vec<&str> = path.iter().map(RoleName::as_str).collect();
                    write!(f, "; `{pattern}` by role {}", path.join(" -> "))?;
                }
                GrantedBy::Direct { pattern, by } => write!(f, "; `{pattern}` given by {by:?}")?,
            }
        }
        if self.by.is_empty() {
            let roles: Vec<&str> = self.roles.iter().map(RoleName::as_str).collect();
            write!(f, "; none of their roles grants it ({})", roles.join(", "))?;
        }
        Ok(())
    }
}
