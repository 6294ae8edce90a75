//! Rows of `nebula_auth_session`.

use sqlx::{FromRow, Row as _, sqlite::SqliteRow};

use crate::{
    clock::{from_unix_millis, unix_millis},
    error::{Error, ErrorKind},
    session::{DeviceFingerprint, Revocation, RevokeReason, Rotation, Session},
    token::AuthMethod,
};

/// Separates authentication methods; none of the registered ones holds a space.
pub(super) fn join_methods(methods: &[AuthMethod]) -> String {
    methods.iter().map(AuthMethod::as_str).collect::<Vec<_>>().join(" ")
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|part| !part.is_empty())
}

fn revocation(at: Option<i64>, reason: Option<&str>) -> Option<Revocation> {
    // A reason written by a newer version still means that the session is revoked.
    let reason = reason.and_then(RevokeReason::from_name).unwrap_or(RevokeReason::Administrator);
    at.map(|at| Revocation { at: from_unix_millis(at), reason })
}

/// What decides an exchange that did not find its token current.
pub(super) struct State {
    pub(super) expires_at: i64,
    revoked_at: Option<i64>,
    revoke_reason: Option<String>,
    previous_hash: Option<Vec<u8>>,
    previous_at: Option<i64>,
    previous_device: Option<Vec<u8>>,
    sealed_successor: Option<Vec<u8>>,
}

impl FromRow<'_, SqliteRow> for State {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            expires_at: row.try_get("expires_at")?,
            revoked_at: row.try_get("revoked_at")?,
            revoke_reason: row.try_get("revoke_reason")?,
            previous_hash: row.try_get("previous_hash")?,
            previous_at: row.try_get("previous_at")?,
            previous_device: row.try_get("previous_device")?,
            sealed_successor: row.try_get("sealed_successor")?,
        })
    }
}

impl State {
    pub(super) fn revocation(&self) -> Option<Revocation> {
        revocation(self.revoked_at, self.revoke_reason.as_deref())
    }

    /// The sealed successor, if the presented token is the last one and in its grace.
    pub(super) fn repeated(self, rotation: &Rotation) -> Option<Vec<u8>> {
        let grace = u64::try_from(rotation.grace.as_millis()).unwrap_or(u64::MAX);
        let same_token = self.previous_hash.as_deref() == Some(&rotation.presented.as_bytes()[..]);
        let same_device = self.previous_device.as_deref() == rotation.device.as_ref().map(|d| &d.as_bytes()[..]);
        // The clocks of two processes may disagree, so the later time need not come later.
        let in_time = self.previous_at.is_some_and(|at| unix_millis(rotation.now).abs_diff(at) < grace);
        self.sealed_successor.filter(|_| same_token && same_device && in_time)
    }
}

pub(super) struct SessionRow {
    session: Session,
    device: Option<Vec<u8>>,
}

impl FromRow<'_, SqliteRow> for SessionRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let scopes: String = row.try_get("scopes")?;
        let methods: String = row.try_get("methods")?;
        let reason: Option<String> = row.try_get("revoke_reason")?;
        let session = Session {
            id: row.try_get("id")?,
            subject: row.try_get("subject")?,
            scopes: split(&scopes).map(str::to_owned).collect(),
            methods: split(&methods).map(AuthMethod::from).collect(),
            label: row.try_get("label")?,
            device: None,
            authenticated_at: from_unix_millis(row.try_get("authenticated_at")?),
            created_at: from_unix_millis(row.try_get("created_at")?),
            refreshed_at: from_unix_millis(row.try_get("refreshed_at")?),
            expires_at: from_unix_millis(row.try_get("expires_at")?),
            revoked: revocation(row.try_get("revoked_at")?, reason.as_deref()),
        };
        Ok(Self { session, device: row.try_get("device")? })
    }
}

impl SessionRow {
    pub(super) fn into_session(self) -> Result<Session, Error> {
        let device = match self.device {
            None => None,
            Some(bytes) => Some(DeviceFingerprint::from_bytes(bytes.try_into().map_err(|_| {
                Error::new(ErrorKind::Unavailable, "a stored device fingerprint has the wrong length")
            })?)),
        };
        Ok(Session { device, ..self.session })
    }
}
