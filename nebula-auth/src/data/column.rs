//! Columns with the ids of users and departments, and what is compared with them.

use uuid::Uuid;

/// A column that holds the id of a user or of a department, and the type in which it does.
///
/// ```
/// use nebula_auth::data::Column;
///
/// const OWNER: Column = Column::integer("user_id");
/// assert_eq!(OWNER.name(), "user_id");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    name: &'static str,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Integer,
    Uuid,
}

impl Column {
    /// A column of text: `TEXT`, `VARCHAR`.
    #[must_use]
    pub const fn text(name: &'static str) -> Self {
        Self { name, kind: Kind::Text }
    }

    /// A column of numbers: `BIGINT`. The user `42` has the records with 42; an id that is not written as a number is, has none.
    #[must_use]
    pub const fn integer(name: &'static str) -> Self {
        Self { name, kind: Kind::Integer }
    }

    /// A column of UUIDs as 16 bytes: `UUID` in PostgreSQL, `BINARY(16)` in MySQL and MariaDB, `BLOB` in SQLite. Ids are
    /// those in lower case with hyphens. For UUIDs kept as text, or in MariaDB's own type, use [`text`](Self::text).
    #[must_use]
    pub const fn uuid(name: &'static str) -> Self {
        Self { name, kind: Kind::Uuid }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    pub(super) const fn is_text(&self) -> bool {
        matches!(self.kind, Kind::Text)
    }

    /// The id as this column has it; nothing if it cannot have it. One id is never another one written otherwise.
    pub(super) fn value(&self, id: &str) -> Option<BindValue> {
        match self.kind {
            Kind::Text => Some(BindValue::Text(id.to_owned())),
            Kind::Integer => id.parse::<i64>().ok().filter(|number| number.to_string() == id).map(BindValue::Integer),
            Kind::Uuid => {
                let uuid = Uuid::try_parse(id).ok()?;
                (uuid.hyphenated().to_string() == id).then_some(BindValue::Uuid(uuid))
            }
        }
    }
}

/// A value to bind to a statement, of the column's type. With a database's feature it can be given to sqlx's `bind`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum BindValue {
    /// Text.
    Text(String),
    /// A number of 64 bits.
    Integer(i64),
    /// 16 bytes.
    Uuid(Uuid),
}

impl BindValue {
    /// As text, for drivers that want it so.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Integer(number) => number.to_string(),
            Self::Uuid(uuid) => uuid.hyphenated().to_string(),
        }
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
macro_rules! bind {
    ($database:ty, $uuid:expr, $bytes:expr) => {
        impl sqlx::Type<$database> for BindValue {
            fn type_info() -> <$database as sqlx::Database>::TypeInfo {
                <str as sqlx::Type<$database>>::type_info()
            }
        }

        impl sqlx::Encode<'_, $database> for BindValue {
            fn encode_by_ref(
                &self,
                buffer: &mut <$database as sqlx::Database>::ArgumentBuffer,
            ) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
                match self {
                    Self::Text(text) => <&str as sqlx::Encode<'_, $database>>::encode(text.as_str(), buffer),
                    Self::Integer(number) => <i64 as sqlx::Encode<'_, $database>>::encode(*number, buffer),
                    Self::Uuid(uuid) => $bytes(uuid, buffer),
                }
            }

            fn produces(&self) -> Option<<$database as sqlx::Database>::TypeInfo> {
                Some(match self {
                    Self::Text(_) => <str as sqlx::Type<$database>>::type_info(),
                    Self::Integer(_) => <i64 as sqlx::Type<$database>>::type_info(),
                    Self::Uuid(_) => $uuid,
                })
            }
        }
    };
}

#[cfg(feature = "sqlite")]
bind!(sqlx::Sqlite, <[u8] as sqlx::Type<sqlx::Sqlite>>::type_info(), |uuid: &Uuid, buffer| {
    <&[u8] as sqlx::Encode<'_, sqlx::Sqlite>>::encode(uuid.as_bytes().as_slice(), buffer)
});
#[cfg(feature = "mysql")]
bind!(sqlx::MySql, <[u8] as sqlx::Type<sqlx::MySql>>::type_info(), |uuid: &Uuid, buffer| {
    <&[u8] as sqlx::Encode<'_, sqlx::MySql>>::encode(uuid.as_bytes().as_slice(), buffer)
});
// The number of the type `uuid` is the same in every PostgreSQL.
#[cfg(feature = "postgres")]
bind!(
    sqlx::Postgres,
    sqlx::postgres::PgTypeInfo::with_oid(sqlx::postgres::types::Oid(2950)),
    |uuid: &Uuid, buffer: &mut sqlx::postgres::PgArgumentBuffer| {
        buffer.extend_from_slice(uuid.as_bytes());
        Ok(sqlx::encode::IsNull::No)
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_id_is_never_another_one_written_otherwise() {
        let uuid = "01939c1c-7e2b-7cc2-a3f5-0123456789ab";
        assert_eq!(Column::integer("c").value("42"), Some(BindValue::Integer(42)));
        assert_eq!(Column::integer("c").value("-1"), Some(BindValue::Integer(-1)));
        for id in ["042", "+42", "4 2", "0x2a", "9223372036854775808", "ann", "-0"] {
            assert_eq!(Column::integer("c").value(id), None, "{id}");
        }
        assert_eq!(Column::uuid("c").value(uuid).map(|value| value.to_text()).as_deref(), Some(uuid));
        for id in [&*uuid.to_uppercase(), &*uuid.replace('-', ""), &*format!("{{{uuid}}}"), "ann"] {
            assert_eq!(Column::uuid("c").value(id), None, "{id}");
        }
    }
}
