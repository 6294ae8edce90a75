//! Roles, users, departments, resources and constraints: what an administrator edits.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};

use super::{
    millis,
    name::{ConstraintName, DepartmentId, EntityName, ResourceId, RoleName, UserId},
    permission::{Permission, PermissionPattern},
};

/// A role: permissions and data rules under a name. It has what its parents have, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its name.
    pub name: RoleName,
    /// What people call it.
    #[serde(default)]
    pub title: String,
    /// Roles whose permissions and data rules it has as well.
    #[serde(default)]
    pub parents: BTreeSet<RoleName>,
    /// What it may do.
    #[serde(default)]
    pub permissions: BTreeSet<PermissionPattern>,
    /// Which records it may do that to.
    #[serde(default)]
    pub data: Vec<DataRule>,
}

impl Role {
    /// A role that may do nothing yet.
    #[must_use]
    pub fn new(name: RoleName) -> Self {
        Self { title: String::new(), parents: BTreeSet::new(), permissions: BTreeSet::new(), data: Vec::new(), name }
    }

    /// Adds permissions.
    #[must_use]
    pub fn with_permissions(mut self, permissions: impl IntoIterator<Item = PermissionPattern>) -> Self {
        self.permissions.extend(permissions);
        self
    }

    /// Adds a parent.
    #[must_use]
    pub fn with_parent(mut self, parent: RoleName) -> Self {
        self.parents.insert(parent);
        self
    }

    /// Adds a data rule.
    #[must_use]
    pub fn with_data(mut self, rule: DataRule) -> Self {
        self.data.push(rule);
        self
    }
}

/// Which records of an entity may be reached, and how their sensitive fields are shown. Several rules add up, record by
/// record: a field is as open as the most open rule that reaches this very record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataRule {
    /// The entity; `*` for all.
    pub entity: EntityName,
    /// Its records.
    pub rows: RowScope,
    /// Its sensitive fields; `*` for those not named. What is in neither is hidden.
    #[serde(default)]
    pub fields: BTreeMap<String, FieldAccess>,
}

/// Records that a rule reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RowScope {
    /// Those of the user.
    Own,
    /// Those of the user's department.
    Department,
    /// Those of the user's department and of all below it.
    DepartmentTree,
    /// Those of these departments.
    Departments(BTreeSet<DepartmentId>),
    /// All.
    All,
}

/// How a sensitive field is shown, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FieldAccess {
    /// Not at all; it cannot be sorted or filtered by either.
    Hidden,
    /// With the greater part replaced; it cannot be sorted or filtered by.
    Masked,
    /// As it is, but it cannot be changed.
    ReadOnly,
    /// As it is.
    Full,
}

/// What a user was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Who.
    pub id: UserId,
    /// Where they work.
    #[serde(default)]
    pub department: Option<DepartmentId>,
    /// Their roles.
    #[serde(default)]
    pub roles: BTreeMap<RoleName, Assignment>,
    /// Permissions without a role.
    #[serde(default)]
    pub grants: BTreeMap<PermissionPattern, Assignment>,
    /// Whether everything is withheld for the time being.
    #[serde(default)]
    pub disabled: bool,
}

impl User {
    /// A user without anything.
    #[must_use]
    pub fn new(id: UserId) -> Self {
        Self { id, department: None, roles: BTreeMap::new(), grants: BTreeMap::new(), disabled: false }
    }
}

/// When and by whom something was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// By whom.
    pub by: String,
    /// When it ends by itself, on the store's clock, in whole milliseconds.
    #[serde(default, with = "millis::option")]
    pub until: Option<SystemTime>,
}

impl Assignment {
    /// Whether it still counts.
    #[must_use]
    pub fn is_live(&self, now: SystemTime) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// A node of the tree of departments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Department {
    /// Its id.
    pub id: DepartmentId,
    /// What people call it.
    #[serde(default)]
    pub title: String,
    /// The department above it.
    #[serde(default)]
    pub parent: Option<DepartmentId>,
}

/// What a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ResourceKind {
    /// An operation of the programming interface.
    Api,
    /// A page or a group of pages.
    Menu,
    /// Something on a page.
    Button,
}

/// A node of the tree of resources, from which the user interface knows what to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// Its id.
    pub id: ResourceId,
    /// What it is.
    pub kind: ResourceKind,
    /// What people call it.
    #[serde(default)]
    pub title: String,
    /// Where it leads: a route or a path.
    #[serde(default)]
    pub target: String,
    /// The node above it.
    #[serde(default)]
    pub parent: Option<ResourceId>,
    /// What is needed to see it. Without one, it is seen by those who see something below it.
    #[serde(default)]
    pub permission: Option<Permission>,
    /// Its place among its siblings.
    #[serde(default)]
    pub order: i32,
}

/// When a constraint applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SeparationKind {
    /// Nobody may be given the roles together.
    Static,
    /// Nobody may use the roles together.
    Dynamic,
}

/// Separation of duty: of these roles, inherited ones included, one person has fewer than `limit` (ANSI INCITS 359).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Separation {
    /// Its name.
    pub name: ConstraintName,
    /// When it applies.
    pub kind: SeparationKind,
    /// The roles.
    pub roles: BTreeSet<RoleName>,
    /// How many of them are too many; at least 2.
    pub limit: usize,
}

impl Separation {
    /// Whether these roles, with all they inherit, are too many.
    #[must_use]
    pub fn is_broken_by(&self, authorized: &BTreeSet<RoleName>) -> bool {
        self.roles.intersection(authorized).count() >= self.limit
    }
}
