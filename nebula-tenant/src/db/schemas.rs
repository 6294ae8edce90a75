//! A schema for each tenant.

use crate::error::{Error, ErrorKind};
use crate::id::TenantId;
use crate::wall::SqlDialect;

/// What the schemas of tenants are called: a prefix, and the tenant's name. On MySQL and MariaDB a schema is a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schemas {
    prefix: String,
    shared: Option<String>,
}

/// The longest name that no database cuts off: what is cut off could be two tenants' (PostgreSQL keeps 63 bytes, MySQL 64 letters).
const LONGEST: usize = 63;

impl Schemas {
    /// With this prefix, such as `t_`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] unless it is of a-z, 0-9 and _, begins with a letter, and ends with _, which no tenant's name has.
    pub fn with_prefix(prefix: &str) -> Result<Self, Error> {
        if !plain(prefix) || !prefix.ends_with('_') || prefix.starts_with("pg_") {
            let what = format!("the prefix `{prefix}` of schemas is to be of a-z, 0-9 and _, and to end with _");
            return Err(Error::new(ErrorKind::Config, what));
        }
        Ok(Self { prefix: prefix.to_owned(), shared: None })
    }

    /// The schema of the tables that all share; only PostgreSQL can look into a second one.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] unless it is of a-z, 0-9 and _, and is no tenant's.
    pub fn with_shared(mut self, schema: &str) -> Result<Self, Error> {
        if !plain(schema) || schema.starts_with(&self.prefix) {
            return Err(Error::new(ErrorKind::Config, format!("the schema `{schema}` cannot be shared")));
        }
        self.shared = Some(schema.to_owned());
        Ok(self)
    }

    /// The tenant's schema.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the name would be longer than what databases keep of it.
    pub fn of(&self, tenant: &TenantId) -> Result<String, Error> {
        let name = format!("{}{tenant}", self.prefix);
        if name.len() > LONGEST {
            return Err(Error::new(ErrorKind::Config, format!("`{name}` is too long for the name of a schema")));
        }
        Ok(name)
    }

    /// What a transaction in a tenant's schema begins with. Names are plain, so quotes are enough.
    pub(crate) fn entering(&self, dialect: SqlDialect, tenant: &TenantId) -> Result<String, Error> {
        let schema = self.of(tenant)?;
        match dialect {
            // Missing schemas in a search path are passed over; the cast fails instead.
            SqlDialect::Postgres => {
                let shared = self.shared.as_ref().map(|shared| format!(", \"{shared}\"")).unwrap_or_default();
                let path = format!("set_config('search_path', '\"{schema}\"{shared}', true)");
                Ok(format!("SELECT {path}, '\"{schema}\"'::regnamespace"))
            }
            // Left behind on the connection, and set again by whoever has it next.
            SqlDialect::MySql => Ok(format!("USE `{schema}`")),
            SqlDialect::Sqlite => Err(Error::new(ErrorKind::Config, "SQLite has no schemas: take databases")),
        }
    }

    /// The statements that make and drop a tenant's schema.
    pub(super) fn making(&self, dialect: SqlDialect, tenant: &TenantId) -> Result<(String, String), Error> {
        let schema = self.of(tenant)?;
        match dialect {
            SqlDialect::Postgres => Ok((
                format!("CREATE SCHEMA IF NOT EXISTS \"{schema}\""),
                format!("DROP SCHEMA IF EXISTS \"{schema}\" CASCADE"),
            )),
            SqlDialect::MySql => {
                Ok((format!("CREATE DATABASE IF NOT EXISTS `{schema}`"), format!("DROP DATABASE IF EXISTS `{schema}`")))
            }
            SqlDialect::Sqlite => Err(Error::new(ErrorKind::Config, "SQLite has no schemas: take databases")),
        }
    }

    pub(super) const fn has_shared(&self) -> bool {
        self.shared.is_some()
    }
}

fn plain(name: &str) -> bool {
    name.len() <= LONGEST
        && name.starts_with(|letter: char| letter.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_and_never_cut_off() {
        for bad in ["", "t", "T_", "1_", "t-_", "pg_t_", "t_\"_", "ä_"] {
            assert!(Schemas::with_prefix(bad).is_err(), "{bad}");
        }
        let schemas = Schemas::with_prefix("t_").unwrap();
        assert_eq!(schemas.of(&"star-cinema".parse().unwrap()).unwrap(), "t_star-cinema");
        assert!(schemas.of(&"x".repeat(61).parse().unwrap()).is_ok());
        assert!(schemas.of(&"x".repeat(62).parse().unwrap()).is_err());
        for bad in ["t_shared", "", "a-b", "a\"b"] {
            assert!(schemas.clone().with_shared(bad).is_err(), "{bad}");
        }
    }
}
