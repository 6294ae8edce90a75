//! Why somebody may, or may not.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use super::PermissionEvaluator;
use crate::{
    data::Entity,
    error::Error,
    rbac::{
        authority::{Reach, ReachRule},
        model::{FieldAccess, Role, RowScope, User},
        name::{EntityName, RoleName, UserId},
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

/// Where the records that somebody reaches, and how they see their fields, come from: one data rule of one role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ReachedBy {
    /// From the user's role to the one that has the rule.
    pub path: Vec<RoleName>,
    /// The records it is about; `*` for all kinds.
    pub entity: EntityName,
    /// Which of them it says are reached.
    pub rows: RowScope,
    /// What that comes to for this user; nothing if it reaches none, such as those of their department if they are in none.
    pub reach: Option<Reach>,
    /// How their sensitive fields are seen; hidden where nothing is said.
    pub fields: BTreeMap<String, FieldAccess>,
}

/// What an [`Explanation`] is asked for.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Question<'a> {
    /// A permission, and the records of the entity that is called as the permission up to its last colon.
    Permission(&'a Permission),
    /// The records of an entity, and the permission to read it.
    Entity(&'static Entity),
}

impl<'a> From<&'a Permission> for Question<'a> {
    fn from(permission: &'a Permission) -> Self {
        Self::Permission(permission)
    }
}

impl From<&'static Entity> for Question<'_> {
    fn from(entity: &'static Entity) -> Self {
        Self::Entity(entity)
    }
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
    /// Every rule by which they reach records; nothing: no record.
    pub data: Vec<ReachedBy>,
    /// The user's roles, inherited ones included, that were looked at.
    pub roles: Vec<RoleName>,
    /// Whether there is such a user at all, and whether they are disabled.
    pub state: &'static str,
}

impl PermissionEvaluator {
    /// Why a user has a permission, or why not; which records that leads to, and how they see their fields.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn explain<'a>(&self, user: &UserId, what: impl Into<Question<'a>> + Send) -> Result<Explanation, Error> {
        let (permission, entity) = match what.into() {
            Question::Permission(permission) => {
                let name = permission.as_str();
                (permission.clone(), name.rsplit_once(':').map_or(name, |(entity, _)| entity).to_owned())
            }
            Question::Entity(entity) => (entity.read.key().permission(), entity.name.to_owned()),
        };
        let (permission, held) = (&permission, self.held(user).await?);
        let (mut by, mut data) = (Vec::new(), Vec::new());
        if let Some(record) = held.user.as_ref().filter(|record| !record.disabled) {
            // What has ended is not in the authority any more.
            let mine = |pattern: &&PermissionPattern| held.authority.permissions.contains(*pattern);
            let grants = record.grants.iter().filter(|(pattern, _)| pattern.covers(permission));
            by.extend(grants.filter(|(pattern, _)| mine(pattern)).map(|(pattern, assignment)| GrantedBy::Direct {
                pattern: pattern.clone(),
                by: assignment.by.clone(),
            }));
            for role in record.roles.keys().filter(|role| held.authority.roles.contains(*role)) {
                for (path, role) in ways(&held.policy, role) {
                    let covering = role.permissions.iter().filter(|pattern| pattern.covers(permission));
                    by.extend(covering.map(|pattern| GrantedBy::Role { path: path.clone(), pattern: pattern.clone() }));
                    data.extend(reached(&held.policy, record, &path, role, &entity));
                }
            }
        }
        Ok(Explanation {
            user: user.clone(),
            permission: permission.clone(),
            granted: held.authority.allows(permission),
            by,
            data,
            roles: held.authority.roles.iter().cloned().collect(),
            state: match &held.user {
                None => "unknown",
                Some(record) if record.disabled => "disabled",
                Some(_) => "active",
            },
        })
    }
}

/// The shortest way to each role that a role includes.
fn ways<'p>(policy: &'p Policy, from: &RoleName) -> Vec<(Vec<RoleName>, &'p Role)> {
    let mut seen = std::collections::BTreeSet::from([from.clone()]);
    let mut open = std::collections::VecDeque::from([vec![from.clone()]]);
    let mut found = Vec::new();
    while let Some(path) = open.pop_front() {
        let Some(role) = path.last().and_then(|name| policy.roles.get(name)) else { continue };
        for parent in &role.parents {
            if seen.insert(parent.clone()) {
                open.push_back(path.iter().cloned().chain([parent.clone()]).collect());
            }
        }
        found.push((path, role));
    }
    found
}

fn reached(policy: &Policy, user: &User, path: &[RoleName], role: &Role, entity: &str) -> Vec<ReachedBy> {
    let about = role.data.iter().filter(|rule| matches!(rule.entity.as_str(), "*") || rule.entity.as_str() == entity);
    about
        .map(|rule| ReachedBy {
            path: path.to_vec(),
            entity: rule.entity.clone(),
            rows: rule.rows.clone(),
            reach: ReachRule::of(policy, user, rule).map(|rule| rule.reach),
            fields: rule.fields.clone(),
        })
        .collect()
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
        for ReachedBy { path, entity, rows, reach, fields } in &self.data {
            let path: Vec<&str> = path.iter().map(RoleName::as_str).collect();
            write!(f, "; records `{entity}`: {rows:?} by role {}", path.join(" -> "))?;
            if reach.is_none() {
                f.write_str(", which is none")?;
            }
            for (field, access) in fields {
                write!(f, ", field {field:?} {access:?}")?;
            }
        }
        Ok(())
    }
}
