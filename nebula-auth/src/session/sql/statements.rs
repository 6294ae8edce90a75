//! The store's operations, the same on every database.

use std::time::SystemTime;

use async_trait::async_trait;

use super::{SqlRefreshStore, row};
use crate::{
    clock::unix_millis,
    error::{Error, ErrorKind},
    rbac::sql::{Dialect, Lease, within},
    session::store::{
        Reauthentication, RefreshStore, Revocation, RevokeReason, Rotation, RotationOutcome, Session, TokenHash,
    },
};

/// The text of a file, in the words of a database.
macro_rules! words {
    ($database:ty, $file:literal) => {
        <$database as Dialect>::words(include_str!(concat!("statements/", $file, ".sql")))
    };
}

macro_rules! store {
    ($database:ty, $module:ident) => {
        mod $module {
            use super::*;

            type Connection = <$database as sqlx::Database>::Connection;

            /// Why no row was current: the order of the checks is that of the contract.
            async fn classify(connection: &mut Connection, rotation: &Rotation) -> sqlx::Result<RotationOutcome> {
                let query = sqlx::query(words!($database, "state")).bind(&rotation.session_id);
                let Some(found) = query.fetch_optional(&mut *connection).await? else {
                    return Ok(RotationOutcome::Unknown);
                };
                let state = row::state!(found);
                if let Some(revocation) = state.revocation() {
                    return Ok(RotationOutcome::Revoked(revocation));
                }
                if unix_millis(rotation.now) >= state.expires_at {
                    return Ok(RotationOutcome::Expired);
                }
                if let Some(sealed_successor) = state.repeated(rotation) {
                    return Ok(RotationOutcome::Repeated { sealed_successor });
                }
                // The hash is compared once more: a rotation that overtook this one must not be punished for it.
                let revoked = sqlx::query(words!($database, "revoke_reused"))
                    .bind(unix_millis(rotation.now))
                    .bind(RevokeReason::Reuse.as_str())
                    .bind(&rotation.session_id)
                    .bind(&rotation.presented.as_bytes()[..])
                    .execute(&mut *connection)
                    .await?;
                if revoked.rows_affected() == 1 {
                    return Ok(RotationOutcome::Reused);
                }
                let at = rotation.now;
                Ok(RotationOutcome::Revoked(Revocation { at, reason: RevokeReason::Reuse }))
            }

            #[async_trait]
            #[deny(clippy::missing_trait_methods)]
            impl RefreshStore for SqlRefreshStore<$database> {
                async fn create(&self, session: &Session, first: TokenHash) -> Result<(), Error> {
                    let created = within(self.timeout, "a session could not be stored", async {
                        let mut connection = Lease::take(&self.pool).await?;
                        let done = sqlx::query(words!($database, "create"))
                            .bind(&session.id)
                            .bind(&session.subject)
                            .bind(session.scopes.join(" "))
                            .bind(row::join_methods(&session.methods))
                            .bind(&session.label)
                            .bind(session.device.as_ref().map(|device| &device.as_bytes()[..]))
                            .bind(unix_millis(session.authenticated_at))
                            .bind(unix_millis(session.created_at))
                            .bind(unix_millis(session.refreshed_at))
                            .bind(unix_millis(session.expires_at))
                            .bind(session.revoked.map(|revocation| unix_millis(revocation.at)))
                            .bind(session.revoked.map(|revocation| revocation.reason.as_str()))
                            .bind(&first.as_bytes()[..])
                            .execute(&mut *connection)
                            .await;
                        match done {
                            Ok(_) => connection.done(true),
                            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => connection.done(false),
                            Err(error) => Err(error),
                        }
                    });
                    if created.await? {
                        Ok(())
                    } else {
                        Err(Error::new(ErrorKind::InvalidInput, "a session of that id exists already"))
                    }
                }

                async fn rotate(&self, rotation: &Rotation) -> Result<RotationOutcome, Error> {
                    within(self.timeout, "a refresh token could not be exchanged", async {
                        let now = unix_millis(rotation.now);
                        let mut connection = Lease::take(&self.pool).await?;
                        let updated = sqlx::query(words!($database, "rotate"))
                            .bind(&rotation.successor.as_bytes()[..])
                            .bind(&rotation.sealed_successor)
                            .bind(rotation.device.as_ref().map(|device| &device.as_bytes()[..]))
                            .bind(now)
                            .bind(now)
                            .bind(&rotation.session_id)
                            .bind(&rotation.presented.as_bytes()[..])
                            .bind(now)
                            .execute(&mut *connection)
                            .await?;
                        if updated.rows_affected() == 1 {
                            return connection.done(RotationOutcome::Rotated);
                        }
                        let outcome = classify(&mut connection, rotation).await?;
                        connection.done(outcome)
                    })
                    .await
                }

                async fn reauthenticate(&self, id: &str, proof: &Reauthentication) -> Result<bool, Error> {
                    within(self.timeout, "a proof could not be added to a session", async {
                        let mut connection = Lease::take(&self.pool).await?;
                        let done = sqlx::query(words!($database, "confirm"))
                            .bind(unix_millis(proof.at))
                            .bind(row::join_methods(&proof.methods))
                            .bind(proof.device.as_ref().map(|device| &device.as_bytes()[..]))
                            .bind(id)
                            .bind(unix_millis(proof.at))
                            .execute(&mut *connection)
                            .await?;
                        connection.done(done.rows_affected() == 1)
                    })
                    .await
                }

                async fn session(&self, id: &str) -> Result<Option<Session>, Error> {
                    within(self.timeout, "a session could not be read", async {
                        let mut connection = Lease::take(&self.pool).await?;
                        let query = sqlx::query(words!($database, "session")).bind(id);
                        let found = query.fetch_optional(&mut *connection).await?;
                        let session = found.map(|found| -> sqlx::Result<Session> { Ok(row::session!(found)) });
                        connection.done(session.transpose()?)
                    })
                    .await
                }

                async fn sessions_of(&self, subject: &str) -> Result<Vec<Session>, Error> {
                    within(self.timeout, "the sessions of a subject could not be read", async {
                        let mut connection = Lease::take(&self.pool).await?;
                        let query = sqlx::query(words!($database, "sessions_of")).bind(subject);
                        let found = query.fetch_all(&mut *connection).await?;
                        let sessions: sqlx::Result<Vec<Session>> =
                            found.into_iter().map(|found| Ok(row::session!(found))).collect();
                        connection.done(sessions?)
                    })
                    .await
                }

                async fn revoke(&self, id: &str, revocation: Revocation) -> Result<bool, Error> {
                    within(self.timeout, "a session could not be revoked", async {
                        let mut connection = Lease::take(&self.pool).await?;
                        let done = sqlx::query(words!($database, "revoke"))
                            .bind(unix_millis(revocation.at))
                            .bind(revocation.reason.as_str())
                            .bind(id)
                            .execute(&mut *connection)
                            .await?;
                        connection.done(done.rows_affected() == 1)
                    })
                    .await
                }

                async fn revoke_all(
                    &self,
                    subject: &str,
                    except: Option<&str>,
                    revocation: Revocation,
                ) -> Result<u64, Error> {
                    within(self.timeout, "the sessions of a subject could not be revoked", async {
                        let mut connection = Lease::take(&self.pool).await?;
                        let done = sqlx::query(words!($database, "revoke_all"))
                            .bind(unix_millis(revocation.at))
                            .bind(revocation.reason.as_str())
                            .bind(subject)
                            // No session has an empty id.
                            .bind(except.unwrap_or_default())
                            .execute(&mut *connection)
                            .await?;
                        connection.done(done.rows_affected())
                    })
                    .await
                }

                async fn purge(&self, before: SystemTime, limit: u32) -> Result<u64, Error> {
                    within(self.timeout, "ended sessions could not be removed", async {
                        let mut connection = Lease::take(&self.pool).await?;
                        let done = sqlx::query(words!($database, "purge"))
                            .bind(unix_millis(before))
                            .bind(i64::from(limit))
                            .execute(&mut *connection)
                            .await?;
                        connection.done(done.rows_affected())
                    })
                    .await
                }

                async fn health(&self) -> Result<(), Error> {
                    within(self.timeout, "the session store does not answer", async {
                        let mut connection = Lease::take(&self.pool).await?;
                        sqlx::query(words!($database, "health")).fetch_optional(&mut *connection).await?;
                        connection.done(())
                    })
                    .await
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
