//! The store's operations, the same on every database.

use async_trait::async_trait;
use sqlx::{Connection as _, Row};

use super::{Lease, SqlRbacStore, dialect::Dialect};
use crate::{
    audit::{LogPlace, sql::Rows},
    error::Error,
    rbac::{
        millis,
        name::{RoleName, UserId},
        store::{
            Changes, Commit, CommitOutcome, Document, DocumentKind, Expect, Head, RbacStore, StoredPolicy, StoredUser,
        },
    },
};

/// The text of a file, in the words of a database.
macro_rules! words {
    ($database:ty, $file:literal) => {
        <$database as Dialect>::words(include_str!(concat!("statements/", $file, ".sql")))
    };
}

fn number(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn as_i64(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn damaged(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::Decode(what.into())
}

macro_rules! store {
    ($database:ty, $module:ident) => {
        mod $module {
            use super::*;

            type RowOf = <$database as sqlx::Database>::Row;
            type ConnectionOf = <$database as sqlx::Database>::Connection;

            /// MySQL calls texts that are compared byte by byte binary, so the types are not compared.
            fn text(row: &RowOf, column: &str) -> sqlx::Result<String> {
                row.try_get_unchecked(column)
            }

            fn head(row: &RowOf) -> sqlx::Result<Head> {
                Ok(Head { sequence: number(row.try_get("sequence")?), policy: number(row.try_get("policy")?) })
            }

            fn user(row: &RowOf, id: Option<&UserId>) -> sqlx::Result<StoredUser> {
                Ok(StoredUser {
                    head: head(row)?,
                    now: millis::time(row.try_get_unchecked("now_ms")?),
                    id: match id {
                        Some(id) => id.clone(),
                        None => UserId::new(text(row, "id")?).map_err(damaged)?,
                    },
                    version: number(row.try_get_unchecked("version")?),
                    body: row.try_get_unchecked("body")?,
                })
            }

            async fn meets(connection: &mut ConnectionOf, expect: &Expect, before: Head) -> sqlx::Result<bool> {
                match expect {
                    Expect::Sequence(sequence) => Ok(before.sequence == *sequence),
                    Expect::Versions { policy, .. } if before.policy != *policy => Ok(false),
                    Expect::Versions { users, .. } => {
                        for (id, expected) in users {
                            let query = sqlx::query_scalar(words!($database, "version")).bind(id.as_str());
                            let version: Option<i64> = query.fetch_optional(&mut *connection).await?;
                            if number(version.unwrap_or(0)) != *expected {
                                return Ok(false);
                            }
                        }
                        Ok(true)
                    }
                }
            }

            async fn write(connection: &mut ConnectionOf, commit: &Commit, version: u64) -> sqlx::Result<()> {
                for document in &commit.documents {
                    let (kind, id) = (document.kind.as_str(), document.id.as_str());
                    let delete = sqlx::query(words!($database, "delete_document")).bind(kind).bind(id);
                    delete.execute(&mut *connection).await?;
                    if let Some(body) = &document.body {
                        let insert = sqlx::query(words!($database, "insert_document")).bind(kind).bind(id).bind(body);
                        insert.execute(&mut *connection).await?;
                    }
                }
                for user in &commit.users {
                    let id = user.id.as_str();
                    sqlx::query(words!($database, "delete_holder")).bind(id).execute(&mut *connection).await?;
                    sqlx::query(words!($database, "delete_user")).bind(id).execute(&mut *connection).await?;
                    let insert = sqlx::query(words!($database, "insert_user")).bind(id).bind(as_i64(version));
                    insert.bind(user.body.as_deref()).execute(&mut *connection).await?;
                    for role in &user.roles {
                        let insert = sqlx::query(words!($database, "insert_holder")).bind(role.as_str()).bind(id);
                        insert.execute(&mut *connection).await?;
                    }
                }
                if !commit.documents.is_empty() {
                    sqlx::query(words!($database, "advance_policy")).execute(&mut *connection).await?;
                }
                // Last, because other writers of the log wait for it.
                if let Some(record) = &commit.record {
                    <$database as Rows>::follow(&mut *connection, record, version).await?;
                }
                Ok(())
            }

            #[async_trait]
            #[deny(clippy::missing_trait_methods)]
            impl RbacStore for SqlRbacStore<$database> {
                async fn head(&self) -> Result<Head, Error> {
                    self.within("the state of the roles could not be read", async {
                        let mut connection = Lease::take(&self.pool).await?;
                        let row = sqlx::query(words!($database, "head")).fetch_one(&mut *connection).await?;
                        connection.done(head(&row)?)
                    })
                    .await
                }

                async fn changes(&self, since: u64, limit: u32) -> Result<Changes, Error> {
                    self.within("changes of users could not be read", async {
                        let mut connection = Lease::take(&self.pool).await?;
                        let query = sqlx::query(words!($database, "changes")).bind(as_i64(since));
                        let rows = query.bind(i64::from(limit) + 1).fetch_all(&mut *connection).await?;
                        let head = head(rows.first().ok_or(sqlx::Error::RowNotFound)?)?;
                        let mut users = Vec::new();
                        for row in &rows {
                            let id: Option<String> = row.try_get_unchecked("id")?;
                            if let Some(id) = id {
                                users.push(UserId::new(id).map_err(damaged)?);
                            }
                        }
                        let few = users.len() <= usize::try_from(limit).unwrap_or(usize::MAX);
                        connection.done(Changes { head, users: few.then_some(users) })
                    })
                    .await
                }

                async fn policy(&self) -> Result<StoredPolicy, Error> {
                    self.within("the roles could not be read", async {
                        let mut connection = Lease::take(&self.pool).await?;
                        let rows = sqlx::query(words!($database, "policy")).fetch_all(&mut *connection).await?;
                        let head = head(rows.first().ok_or(sqlx::Error::RowNotFound)?)?;
                        let mut documents = Vec::with_capacity(rows.len());
                        for row in &rows {
                            let kind: Option<String> = row.try_get_unchecked("kind")?;
                            // What a newer version has added is for newer versions.
                            let Some(kind) = kind.as_deref().and_then(DocumentKind::from_name) else { continue };
                            documents.push(Document {
                                kind,
                                id: text(row, "id")?,
                                body: row.try_get_unchecked("body")?,
                            });
                        }
                        connection.done(StoredPolicy { head, documents })
                    })
                    .await
                }

                async fn user(&self, id: &UserId) -> Result<StoredUser, Error> {
                    self.within("a user's roles could not be read", async {
                        let mut connection = Lease::take(&self.pool).await?;
                        let query = sqlx::query(words!($database, "user")).bind(id.as_str());
                        let row = query.fetch_one(&mut *connection).await?;
                        connection.done(user(&row, Some(id))?)
                    })
                    .await
                }

                async fn users(&self, after: Option<&UserId>, limit: u32) -> Result<Vec<StoredUser>, Error> {
                    self.within("the users could not be read", async {
                        let mut connection = Lease::take(&self.pool).await?;
                        let query = sqlx::query(words!($database, "users"));
                        let query = query.bind(after.map_or("", UserId::as_str)).bind(i64::from(limit));
                        let rows = query.fetch_all(&mut *connection).await?;
                        let users = rows.iter().map(|row| user(row, None)).collect::<sqlx::Result<_>>()?;
                        connection.done(users)
                    })
                    .await
                }

                async fn holders(&self, role: &RoleName) -> Result<Vec<StoredUser>, Error> {
                    self.within("the holders of a role could not be read", async {
                        let mut connection = Lease::take(&self.pool).await?;
                        let query = sqlx::query(words!($database, "holders")).bind(role.as_str());
                        let rows = query.fetch_all(&mut *connection).await?;
                        let users = rows.iter().map(|row| user(row, None)).collect::<sqlx::Result<_>>()?;
                        connection.done(users)
                    })
                    .await
                }

                async fn commit(&self, commit: &Commit) -> Result<CommitOutcome, Error> {
                    self.within("a change of roles could not be stored", async {
                        let mut connection = Lease::take(&self.pool).await?;
                        let mut transaction = connection.begin_with(<$database as Dialect>::BEGIN).await?;
                        sqlx::query(words!($database, "advance")).execute(&mut *transaction).await?;
                        let row = sqlx::query(words!($database, "head")).fetch_one(&mut *transaction).await?;
                        let Head { sequence, policy } = head(&row)?;
                        let before = Head { sequence: sequence.saturating_sub(1), policy };
                        if !meets(&mut transaction, &commit.expect, before).await? {
                            transaction.rollback().await?;
                            return connection.done(CommitOutcome::Conflict);
                        }
                        write(&mut transaction, commit, sequence).await?;
                        transaction.commit().await?;
                        let policy = if commit.documents.is_empty() { policy } else { sequence };
                        connection.done(CommitOutcome::Committed(Head { sequence, policy }))
                    })
                    .await
                }

                async fn health(&self) -> Result<(), Error> {
                    self.head().await.map(drop)
                }

                fn log_place(&self) -> Option<LogPlace> {
                    Some(LogPlace::of(self.pool.connect_options()))
                }
            }
        }
    };
}

#[cfg(feature = "sqlite")]
store!(sqlx::Sqlite, sqlite);
#[cfg(feature = "postgres")]
store!(sqlx::Postgres, postgres);
#[cfg(feature = "mysql")]
store!(sqlx::MySql, mysql);
