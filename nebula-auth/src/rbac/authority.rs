//! What somebody may do, worked out from their roles.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::SystemTime,
};

use serde::Serialize;

use super::{
    model::{DataRule, FieldAccess, RowScope, SeparationKind, User},
    name::{DepartmentId, EntityName, RoleName},
    permission::{Permission, PermissionPattern},
    policy::Policy,
};

/// Records that a rule reaches, for one user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Reach {
    /// All.
    All,
    /// The user's own, and those of departments.
    Some {
        /// Whether the user's own are among them.
        own: bool,
        /// The departments; never empty if `own` is false.
        departments: BTreeSet<DepartmentId>,
    },
}

/// A [`DataRule`] for one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReachRule {
    /// The entity; `*` for all.
    pub entity: EntityName,
    /// Its records.
    pub reach: Reach,
    /// Its sensitive fields; `*` for those not named.
    pub fields: BTreeMap<String, FieldAccess>,
}

/// Everything that one user may do at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Authority {
    /// Their roles, inherited ones included.
    pub roles: BTreeSet<RoleName>,
    /// What they may do.
    pub permissions: BTreeSet<PermissionPattern>,
    /// To which records.
    pub data: Vec<ReachRule>,
    /// When the first of it ends by itself.
    pub until: Option<SystemTime>,
}

/// Which of a user's roles count.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Active<'a> {
    /// All, even if they must not be used together.
    All,
    /// All, except those that must not be used together.
    Compatible,
    /// These, as far as the user has them, except those that must not be used together: that may have been said after they
    /// were chosen.
    Only(&'a BTreeSet<RoleName>),
}

impl Authority {
    pub(crate) fn of(policy: &Policy, user: &User, active: Active<'_>, now: SystemTime) -> Self {
        if user.disabled {
            return Self::default();
        }
        let live = user.roles.iter().filter(|(_, assignment)| assignment.is_live(now));
        let mut chosen: BTreeSet<&RoleName> = live.clone().map(|(role, _)| role).collect();
        if let Active::Only(only) = active {
            chosen.retain(|role| only.contains(*role));
        }
        if !matches!(active, Active::All) {
            let all = policy.closure(chosen.iter().copied());
            let dynamic = policy.separations.values().filter(|rule| rule.kind == SeparationKind::Dynamic);
            for rule in dynamic.filter(|rule| rule.is_broken_by(&all)) {
                chosen.retain(|role| policy.closure([*role]).is_disjoint(&rule.roles));
            }
        }
        let roles = policy.closure(chosen.iter().copied());
        let grants = user.grants.iter().filter(|(_, assignment)| assignment.is_live(now));
        let mut permissions: BTreeSet<PermissionPattern> = grants.clone().map(|(pattern, _)| pattern.clone()).collect();
        let mut data = Vec::new();
        for role in roles.iter().filter_map(|role| policy.roles.get(role)) {
            permissions.extend(role.permissions.iter().cloned());
            data.extend(role.data.iter().filter_map(|rule| ReachRule::of(policy, user, rule)));
        }
        let until = live.map(|(_, assignment)| assignment).chain(grants.map(|(_, assignment)| assignment));
        let until = until.filter_map(|assignment| assignment.until).min();
        Self { roles, permissions, data, until }
    }

    /// Whether a permission is among what is granted.
    #[must_use]
    pub fn allows(&self, permission: &Permission) -> bool {
        self.permissions.iter().any(|pattern| pattern.covers(permission))
    }

    /// Whether everything that a pattern stands for is granted by one pattern.
    #[must_use]
    pub fn includes(&self, pattern: &PermissionPattern) -> bool {
        self.permissions.iter().any(|own| own.includes(pattern))
    }

    /// Whether a rule reaches nothing, and shows nothing, beyond one of these.
    pub(crate) fn includes_rule(&self, rule: &ReachRule) -> bool {
        self.data.iter().any(|own| own.includes(rule))
    }
}

impl ReachRule {
    pub(crate) fn of(policy: &Policy, user: &User, rule: &DataRule) -> Option<Self> {
        let some = |departments: BTreeSet<DepartmentId>| Reach::Some { own: false, departments };
        let reach = match &rule.rows {
            RowScope::All => Reach::All,
            RowScope::Own => Reach::Some { own: true, departments: BTreeSet::new() },
            RowScope::Department => some(user.department.iter().cloned().collect()),
            RowScope::DepartmentTree => {
                some(user.department.as_ref().map(|top| policy.department_tree(top)).unwrap_or_default())
            }
            RowScope::Departments(departments) => some(departments.clone()),
        };
        if matches!(&reach, Reach::Some { own: false, departments } if departments.is_empty()) {
            return None;
        }
        Some(Self { entity: rule.entity.clone(), reach, fields: rule.fields.clone() })
    }

    /// The rule as it would be for whoever gets the role, if that can be said without knowing them: a department's
    /// scope may turn out to be any, so that only somebody who reaches all records can give it.
    pub(crate) fn for_anybody(rule: &DataRule) -> Self {
        let reach = match &rule.rows {
            RowScope::Own => Reach::Some { own: true, departments: BTreeSet::new() },
            RowScope::Departments(departments) => Reach::Some { own: false, departments: departments.clone() },
            RowScope::All | RowScope::Department | RowScope::DepartmentTree => Reach::All,
        };
        Self { entity: rule.entity.clone(), reach, fields: rule.fields.clone() }
    }

    /// How it shows a sensitive field.
    #[must_use]
    pub fn field(&self, name: &str) -> FieldAccess {
        self.fields.get(name).or_else(|| self.fields.get("*")).copied().unwrap_or(FieldAccess::Hidden)
    }

    /// Whether it is about that entity.
    #[must_use]
    pub fn is_about(&self, entity: &str) -> bool {
        self.entity.as_str() == "*" || self.entity.as_str() == entity
    }

    fn includes(&self, other: &Self) -> bool {
        let rows = match (&self.reach, &other.reach) {
            (Reach::All, _) => true,
            (_, Reach::All) => false,
            (Reach::Some { own, departments }, Reach::Some { own: others, departments: theirs }) => {
                (*own || !*others) && departments.is_superset(theirs)
            }
        };
        let named = other.fields.keys().chain(self.fields.keys()).map(String::as_str);
        let mut fields = named.chain(["*"]);
        self.is_about(other.entity.as_str()) && rows && fields.all(|name| self.field(name) >= other.field(name))
    }
}
