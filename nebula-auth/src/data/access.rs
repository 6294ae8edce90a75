//! Which records somebody reaches, and how they see them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    entity::Entity,
    predicate::{Placeholders, Predicate, Writer},
};
use crate::{
    access::{AccessError, AuthContext},
    error::Error,
    rbac::{Authority, DepartmentId, FieldAccess, PermissionEvaluator, Reach, ReachRule, UserId},
};

/// Whose a record is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowKey<'a> {
    /// The user.
    pub owner: Option<&'a str>,
    /// The department.
    pub department: Option<&'a str>,
}

/// Why a statement or a change was not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DataRefusal {
    /// The record is not reached; to whoever asks it is as if it were not there.
    #[error("there is no such record")]
    Row,
    /// The field may not be used in this way.
    #[error("the field may not be used in this way")]
    Field {
        /// Which one.
        name: String,
    },
}

impl DataRefusal {
    /// A stable machine-readable name.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Row => "not_found",
            Self::Field { .. } => "field_denied",
        }
    }
}

/// Which records of an entity one user reaches, and how they see their fields. No rule: no record.
#[derive(Debug, Clone)]
pub struct DataAccess {
    entity: &'static Entity,
    user: UserId,
    rules: Vec<ReachRule>,
}

impl DataAccess {
    pub(crate) fn new(entity: &'static Entity, user: UserId, authority: &Authority) -> Self {
        let rules = authority.data.iter().filter(|rule| rule.is_about(entity.name)).cloned().collect();
        Self { entity, user, rules }
    }

    /// The condition for reading, updating and deleting. `first` is the number of its first placeholder, where they have
    /// numbers.
    #[must_use]
    pub fn predicate(&self, style: Placeholders, first: usize) -> Predicate {
        if self.rules.iter().any(|rule| rule.reach == Reach::All) {
            return Predicate { sql: "(1 = 1)".to_owned(), values: Vec::new() };
        }
        let mut writer = Writer::new(style, first);
        if let Some(column) = self.entity.owner
            && self.rules.iter().any(|rule| matches!(rule.reach, Reach::Some { own: true, .. }))
        {
            writer.one_of(column, std::iter::once(self.user.as_str()));
        }
        if let Some(column) = self.entity.department {
            let departments: BTreeSet<&str> = self.rules.iter().flat_map(departments).collect();
            writer.one_of(column, departments.into_iter());
        }
        writer.finish()
    }

    /// Whether a record is reached: for records that are about to be made or moved, and for those that are not in a database.
    #[must_use]
    pub fn reaches(&self, row: RowKey<'_>) -> bool {
        self.rules_for(row).next().is_some()
    }

    /// How a field of a record is seen: as the most open of the rules that reach this very record has it.
    #[must_use]
    pub fn field(&self, row: RowKey<'_>, name: &str) -> FieldAccess {
        match self.entity.field(name) {
            None => FieldAccess::Hidden,
            Some(field) if field.mask.is_none() => match self.reaches(row) {
                true => FieldAccess::Full,
                false => FieldAccess::Hidden,
            },
            Some(_) => self.rules_for(row).map(|rule| rule.field(name)).max().unwrap_or(FieldAccess::Hidden),
        }
    }

    /// Takes out of a record what is not to be seen, and masks what is to be seen masked.
    pub fn mask(&self, row: RowKey<'_>, record: &mut Value) {
        let Value::Object(fields) = record else {
            *record = Value::Null;
            return;
        };
        fields.retain(|name, value| self.cover(row, name, value));
    }

    /// The same for one field, wherever its value stands in an answer: masks it where it is to be seen masked, and says whether
    /// it is to be seen at all.
    #[must_use = "what is not to be seen has to be taken out"]
    pub fn cover(&self, row: RowKey<'_>, name: &str, value: &mut Value) -> bool {
        match (self.field(row, name), self.entity.field(name).and_then(|field| field.mask)) {
            (FieldAccess::Hidden, _) => return false,
            (FieldAccess::Masked, Some(mask)) => *value = mask.apply(value),
            _ => {}
        }
        true
    }

    /// Whether somebody who asks about this record may name the field in what they look for. Whoever sees it masked may not:
    /// what is found would tell the rest.
    ///
    /// # Errors
    /// The field may not be used.
    pub fn check_search(&self, row: RowKey<'_>, name: &str) -> Result<(), DataRefusal> {
        first_not([name], |name| self.field(row, name) >= FieldAccess::ReadOnly)
    }

    /// Whether statements may sort, filter, group or sum by these fields. A field that is hidden or masked in any record
    /// that is reached would show itself in the order and number of the records. Names that are allowed are those that are
    /// declared, and so they can stand in a statement.
    ///
    /// # Errors
    /// The first field that may not be used.
    pub fn check_query<'a>(&self, fields: impl IntoIterator<Item = &'a str>) -> Result<(), DataRefusal> {
        let shown = |name: &str| match self.entity.field(name) {
            None => false,
            Some(field) => {
                field.mask.is_none() || self.rules.iter().all(|rule| rule.field(name) >= FieldAccess::ReadOnly)
            }
        };
        first_not(fields, shown)
    }

    /// Whether these fields of a record may be changed. For a record that moves, ask for what it was and for what it is to be.
    ///
    /// # Errors
    /// That there is no such record, or the first field that may not be changed.
    pub fn check_write<'a>(
        &self,
        row: RowKey<'_>,
        fields: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), DataRefusal> {
        if !self.reaches(row) {
            return Err(DataRefusal::Row);
        }
        first_not(fields, |name| self.field(row, name) == FieldAccess::Full)
    }

    fn rules_for<'a>(&'a self, row: RowKey<'a>) -> impl Iterator<Item = &'a ReachRule> {
        self.rules.iter().filter(move |rule| match &rule.reach {
            Reach::All => true,
            Reach::Some { own, departments } => {
                (*own && self.entity.owner.is_some() && row.owner == Some(self.user.as_str()))
                    || (self.entity.department.is_some() && row.department.is_some_and(|id| departments.contains(id)))
            }
        })
    }
}

fn departments(rule: &ReachRule) -> impl Iterator<Item = &str> {
    let some = match &rule.reach {
        Reach::Some { departments, .. } => Some(departments),
        Reach::All => None,
    };
    some.into_iter().flatten().map(DepartmentId::as_str)
}

fn first_not<'a>(fields: impl IntoIterator<Item = &'a str>, allowed: impl Fn(&str) -> bool) -> Result<(), DataRefusal> {
    match fields.into_iter().find(|name| !allowed(name)) {
        Some(name) => Err(DataRefusal::Field { name: name.to_owned() }),
        None => Ok(()),
    }
}

impl PermissionEvaluator {
    /// Which records of an entity a user reaches. Says nothing about whether they may read or write them at all.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn data(&self, user: &UserId, entity: &'static Entity) -> Result<DataAccess, Error> {
        Ok(DataAccess::new(entity, user.clone(), &self.held(user).await?.authority))
    }
}

impl AuthContext {
    /// The records that whoever asks may read.
    ///
    /// # Errors
    /// As [`require`](Self::require), for the entity's permission to read.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn readable(&self, entity: &'static Entity) -> Result<DataAccess, AccessError> {
        self.require_on(&entity.reading(), entity.name).await?;
        self.data(entity).await
    }

    /// The records that whoever asks may write.
    ///
    /// # Errors
    /// As [`require`](Self::require), for the entity's permission to write.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn writable(&self, entity: &'static Entity) -> Result<DataAccess, AccessError> {
        self.require_on(&entity.writing(), entity.name).await?;
        self.data(entity).await
    }

    /// The records that whoever asks reaches, and how they see their fields. Says nothing about whether they may read or write
    /// them at all.
    ///
    /// # Errors
    /// Nobody asks, or the store failed.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn data(&self, entity: &'static Entity) -> Result<DataAccess, AccessError> {
        let user = self.user().ok_or(AccessError::Unauthenticated)?;
        Ok(DataAccess::new(entity, user.clone(), &self.authority().await?))
    }
}
