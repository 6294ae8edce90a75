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

    /// Its sensitive fields: those that data rules speak about.
    pub fn sensitive(&self) -> impl Iterator<Item = &'static str> {
        self.fields.iter().filter(|field| field.mask.is_some()).map(|field| field.name)
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

/// How a sensitive field looks to those who see it masked. At most half of a text is left, so that a short one is hidden
/// altogether.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mask {
    /// `***`, whatever it is.
    All,
    /// The last characters after `***`.
    KeepLast(usize),
    /// The first characters before `***`.
    KeepFirst(usize),
    /// The first and the last characters around `***`, or the last ones alone where both would be more than half.
    KeepEnds(usize, usize),
    /// Of an e-mail address the first character and the domain: `a***@example.com`.
    Email,
    /// Of each word the first character, whatever its length: `A*** L*`, `李*`. At most three stars stand for the rest.
    Initials,
}

impl Mask {
    /// The masked form. What is not text is hidden altogether: a number that is near is a hint.
    pub(super) fn apply(self, value: &serde_json::Value) -> serde_json::Value {
        match value {
            serde_json::Value::String(text) => self.text(text).into(),
            serde_json::Value::Null => serde_json::Value::Null,
            _ => "***".into(),
        }
    }

    fn text(self, text: &str) -> String {
        let length = text.chars().count();
        let head = |keep: usize| text.chars().take(keep).collect::<String>();
        let tail = |keep: usize| text.chars().skip(length - keep).collect::<String>();
        let fits = |keep: usize| keep.saturating_mul(2) <= length;
        match self {
            Self::KeepLast(last) if fits(last) => format!("***{}", tail(last)),
            Self::KeepFirst(first) if fits(first) => format!("{}***", head(first)),
            Self::KeepEnds(first, last) if fits(first.saturating_add(last)) => {
                format!("{}***{}", head(first), tail(last))
            }
            Self::KeepEnds(_, last) => Self::KeepLast(last).text(text),
            Self::Email => match text.rsplit_once('@') {
                Some((name, domain)) => format!("{}***@{domain}", name.chars().next().unwrap_or('*')),
                None => "***".to_owned(),
            },
            Self::Initials => text.split_whitespace().map(initial).collect::<Vec<_>>().join(" "),
            _ => "***".to_owned(),
        }
    }
}

fn initial(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(String::from).unwrap_or_default();
    format!("{first}{}", "*".repeat(letters.count().min(3)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Mask;

    #[test]
    fn of_a_masked_text_at_most_half_is_left() {
        for (mask, text, expected) in [
            (Mask::All, "secret", "***"),
            (Mask::KeepLast(4), "13812345678", "***5678"),
            (Mask::KeepLast(4), "1234567", "***"),
            (Mask::KeepFirst(1), "李雷", "李***"),
            (Mask::KeepFirst(1), "李", "***"),
            (Mask::KeepEnds(3, 4), "11010519491231002X", "110***002X"),
            (Mask::KeepEnds(3, 4), "C01X00T47", "***0T47"),
            (Mask::KeepEnds(3, 4), "C01X0", "***"),
            (Mask::KeepEnds(usize::MAX, 1), "ab", "***b"),
            (Mask::Email, "ann@example.com", "a***@example.com"),
            (Mask::Email, "@example.com", "****@example.com"),
            (Mask::Email, "李雷@例子.公司", "李***@例子.公司"),
            (Mask::Email, "no address", "***"),
            (Mask::Initials, "Anne Marie Li", "A*** M*** L*"),
            (Mask::Initials, "欧阳娜娜", "欧***"),
            (Mask::Initials, "", ""),
        ] {
            assert_eq!(mask.apply(&json!(text)), expected, "{mask:?} {text}");
        }
        for mask in [Mask::KeepLast(1), Mask::Email, Mask::Initials] {
            assert_eq!((mask.apply(&json!(12.5)), mask.apply(&json!(null))), (json!("***"), json!(null)));
        }
    }
}
