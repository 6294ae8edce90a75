//! Sessions in SQLite, shared by all processes that open the same file.

mod migrate;
mod row;

use std::{fmt, time::SystemTime};

use async_trait::async_trait;
use sqlx::SqlitePool;

pub use self::migrate::migrate;
use super::store::{RefreshStore, Revocation, RevokeReason, Rotation, RotationOutcome, Session, TokenHash};
use crate::{
    clock::unix_millis,
    error::{Error, ErrorKind},
};

const HEALTH: &str = include_str!("health.sql");
const CREATE: &str = include_str!("create.sql");
const ROTATE: &str = include_str!("rotate.sql");
const STATE: &str = include_str!("state.sql");
const SESSION: &str = include_str!("session.sql");
const SESSIONS_OF: &str = include_str!("sessions_of.sql");
const REVOKE: &str = include_str!("revoke.sql");
const REVOKE_REUSED: &str = include_str!("revoke_reused.sql");
const REVOKE_ALL: &str = include_str!("revoke_all.sql");
const PURGE: &str = include_str!("purge.sql");

/// Keeps sessions in SQLite. Run [`migrate`] first.
///
/// An exchange is one conditional `UPDATE`, so any number of processes may share the file; open it in WAL mode and
/// with a busy timeout. Times are stored with millisecond precision.
#[derive(Clone)]
pub struct SqliteRefreshStore {
    pool: SqlitePool,
}

impl SqliteRefreshStore {
    /// A store on that pool.
    #[must_use]
    pub const fn new(pool: SqlitePool) -> Self {
        Self { pool }
    }

    /// Why no row was current: the order of the checks is that of the contract.
    async fn classify(&self, rotation: &Rotation) -> Result<RotationOutcome, Error> {
        let state: Option<row::State> = sqlx::query_as(STATE)
            .bind(&rotation.session_id)
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| failed("the state of a session could not be read", error))?;
        let Some(state) = state else { return Ok(RotationOutcome::Unknown) };
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
        let revoked = sqlx::query(REVOKE_REUSED)
            .bind(unix_millis(rotation.now))
            .bind(RevokeReason::Reuse.as_str())
            .bind(&rotation.session_id)
            .bind(&rotation.presented.as_bytes()[..])
            .execute(&self.pool)
            .await
            .map_err(|error| failed("a reused session could not be revoked", error))?;
        if revoked.rows_affected() == 1 {
            return Ok(RotationOutcome::Reused);
        }
        let at = rotation.now;
        Ok(RotationOutcome::Revoked(Revocation { at, reason: RevokeReason::Reuse }))
    }
}

impl fmt::Debug for SqliteRefreshStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteRefreshStore").field("connections", &self.pool.size()).finish()
    }
}

fn failed(context: &'static str, error: sqlx::Error) -> Error {
    Error::unavailable(context, error)
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl RefreshStore for SqliteRefreshStore {
    async fn create(&self, session: &Session, first: TokenHash) -> Result<(), Error> {
        sqlx::query(CREATE)
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
            .execute(&self.pool)
            .await
            .map_err(|error| match error.as_database_error() {
                Some(database) if database.is_unique_violation() => {
                    Error::new(ErrorKind::InvalidInput, "a session of that id exists already")
                }
                _ => failed("a session could not be stored", error),
            })?;
        Ok(())
    }

    async fn rotate(&self, rotation: &Rotation) -> Result<RotationOutcome, Error> {
        let now = unix_millis(rotation.now);
        let updated = sqlx::query(ROTATE)
            .bind(&rotation.successor.as_bytes()[..])
            .bind(&rotation.sealed_successor)
            .bind(rotation.device.as_ref().map(|device| &device.as_bytes()[..]))
            .bind(now)
            .bind(&rotation.session_id)
            .bind(&rotation.presented.as_bytes()[..])
            .execute(&self.pool)
            .await
            .map_err(|error| failed("a refresh token could not be exchanged", error))?;
        if updated.rows_affected() == 1 { Ok(RotationOutcome::Rotated) } else { self.classify(rotation).await }
    }

    async fn session(&self, id: &str) -> Result<Option<Session>, Error> {
        let found: Option<row::SessionRow> = sqlx::query_as(SESSION)
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| failed("a session could not be read", error))?;
        found.map(row::SessionRow::into_session).transpose()
    }

    async fn sessions_of(&self, subject: &str) -> Result<Vec<Session>, Error> {
        let found: Vec<row::SessionRow> = sqlx::query_as(SESSIONS_OF)
            .bind(subject)
            .fetch_all(&self.pool)
            .await
            .map_err(|error| failed("the sessions of a subject could not be read", error))?;
        found.into_iter().map(row::SessionRow::into_session).collect()
    }

    async fn revoke(&self, id: &str, revocation: Revocation) -> Result<bool, Error> {
        let done = sqlx::query(REVOKE)
            .bind(unix_millis(revocation.at))
            .bind(revocation.reason.as_str())
            .bind(id)
            .execute(&self.pool)
            .await
            .map_err(|error| failed("a session could not be revoked", error))?;
        Ok(done.rows_affected() == 1)
    }

    async fn revoke_all(&self, subject: &str, except: Option<&str>, revocation: Revocation) -> Result<u64, Error> {
        let done = sqlx::query(REVOKE_ALL)
            .bind(unix_millis(revocation.at))
            .bind(revocation.reason.as_str())
            .bind(subject)
            .bind(except)
            .execute(&self.pool)
            .await
            .map_err(|error| failed("the sessions of a subject could not be revoked", error))?;
        Ok(done.rows_affected())
    }

    async fn purge(&self, before: SystemTime, limit: u32) -> Result<u64, Error> {
        let done = sqlx::query(PURGE)
            .bind(unix_millis(before))
            .bind(i64::from(limit))
            .execute(&self.pool)
            .await
            .map_err(|error| failed("ended sessions could not be removed", error))?;
        Ok(done.rows_affected())
    }

    async fn health(&self) -> Result<(), Error> {
        let answer = sqlx::query(HEALTH).fetch_optional(&self.pool).await;
        answer.map(|_| ()).map_err(|error| failed("the session store does not answer", error))
    }
}
