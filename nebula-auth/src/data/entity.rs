//! What is declared about a kind of record, once.

use super::column::Column;
use crate::{
    access::Requirement,
    rbac::{NameError, Permission, PermissionError, Resource, ResourceId, ResourceKind, StaticPermission},
};

/// A kind of record: what is needed to read and to write it, whose its records are, and which fields are sensitive.
///
/// From this one declaration come the check of the endpoint ([`reading`](Self::reading), [`writing`](Self::writing)), the
/// predicate of its statements, the masking of its fields, and its place in the menu ([`menu`](Self::menu)).
///
/// ```
/// use nebula_auth::{access::DeclaredPermission as _, data::{Column, Entity, Field, Mask}};
///
/// nebula_auth::permissions! { order: [Read = "order:read", Write = "order:write"] }
///
/// const ORDERS: Entity = Entity {
///     name: "order",
///     read: order::Read::PERMISSION,
///     write: order::Write::PERMISSION,
///     owner: Some(Column::integer("user_id")),
///     department: Some(Column::text("department")),
///     fields: &[Field::plain("id"), Field::plain("total"), Field::sensitive("phone", Mask::KeepLast(4))],
/// };
/// # let _ = ORDERS;
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Entity {
    /// The name by which data rules speak about it.
    pub name: &'static str,
    /// What is needed to read it.
    pub read: &'static StaticPermission,
    /// What is needed to write it.
    pub write: &'static StaticPermission,
    /// The column with the user that a record belongs to.
    pub owner: Option<Column>,
    /// The column with the department that a record belongs to.
    pub department: Option<Column>,
    /// Its fields. What is not declared is never shown.
    pub fields: &'static [Field],
}

impl Entity {
    /// What is needed to read it, for routes.
    #[must_use]
    pub const fn reading(&self) -> Requirement {
        Requirement::Permission(self.read)
    }

    /// What is needed to write it, for routes.
    #[must_use]
    pub const fn writing(&self) -> Requirement {
        Requirement::Permission(self.write)
    }

    /// A menu that is seen by those who can read it.
    ///
    /// # Errors
    /// If the entity's name is no id.
    pub fn menu(&self, title: &str, target: &str) -> Result<Resource, NameError> {
        let permission: Result<Permission, PermissionError> = Permission::new(self.read.name());
        Ok(Resource {
            id: ResourceId::new(self.name)?,
            kind: ResourceKind::Menu,
            title: title.to_owned(),
            target: target.to_owned(),
            parent: None,
            permission: permission.ok(),
            order: 0,
        })
    }

    pub(super) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// A field of an [`Entity`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    pub(super) name: &'static str,
    pub(super) mask: Option<Mask>,
}

impl Field {
    /// A field that everybody sees who sees the record.
    #[must_use]
    pub const fn plain(name: &'static str) -> Self {
        Self { name, mask: None }
    }

    /// A field that is shown as data rules say, and hidden where none does.
    #[must_use]
    pub const fn sensitive(name: &'static str, mask: Mask) -> Self {
        Self { name, mask: Some(mask) }
    }
}

/// How a sensitive field looks to those who see it masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mask {
    /// `***`, whatever it is.
    All,
    /// The last characters after `***`; all of them are hidden if there are not at least twice as many.
    KeepLast(usize),
    /// The first characters before `***`, likewise.
    KeepFirst(usize),
}

impl Mask {
    /// The masked form. What is not text is hidden altogether: a number that is near is a hint.
    pub(super) fn apply(self, value: &serde_json::Value) -> serde_json::Value {
        let stars = "***".to_owned();
        let serde_json::Value::String(text) = value else {
            return if value.is_null() { serde_json::Value::Null } else { stars.into() };
        };
        let length = text.chars().count();
        match self {
            Self::KeepLast(keep) if keep * 2 <= length => {
                let tail: String = text.chars().skip(length - keep).collect();
                (stars + &tail).into()
            }
            Self::KeepFirst(keep) if keep * 2 <= length => {
                let head: String = text.chars().take(keep).collect();
                (head + &stars).into()
            }
            _ => stars.into(),
        }
    }
}
