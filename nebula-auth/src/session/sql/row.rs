//! Rows of `nebula_auth_session`.

use crate::{
    clock::{from_unix_millis, unix_millis},
    session::{DeviceFingerprint, Revocation, RevokeReason, Rotation},
    token::AuthMethod,
};

/// Separates authentication methods; none of the registered ones holds a space.
pub(super) fn join_methods(methods: &[AuthMethod]) -> String {
    methods.iter().map(AuthMethod::as_str).collect::<Vec<_>>().join(" ")
}

pub(super) fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ').filter(|part| !part.is_empty())
}

pub(super) fn revocation(at: Option<i64>, reason: Option<&str>) -> Option<Revocation> {
    // A reason written by a newer version still means that the session is revoked.
    let reason = reason.and_then(RevokeReason::from_name).unwrap_or(RevokeReason::Administrator);
    at.map(|at| Revocation { at: from_unix_millis(at), reason })
}

pub(super) fn device(bytes: Option<Vec<u8>>) -> sqlx::Result<Option<DeviceFingerprint>> {
    let Some(bytes) = bytes else { return Ok(None) };
    let bytes = bytes.try_into().map_err(|_| sqlx::Error::Decode("a device fingerprint of the wrong length".into()))?;
    Ok(Some(DeviceFingerprint::from_bytes(bytes)))
}

/// What decides an exchange that did not find its token current.
pub(super) struct State {
    pub(super) expires_at: i64,
    pub(super) revoked_at: Option<i64>,
    pub(super) revoke_reason: Option<String>,
    pub(super) previous_hash: Option<Vec<u8>>,
    pub(super) previous_at: Option<i64>,
    pub(super) previous_device: Option<Vec<u8>>,
    pub(super) sealed_successor: Option<Vec<u8>>,
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

// Rows of the databases are different types. MySQL calls texts that are compared byte by byte binary, so the types of
// columns are not compared.

macro_rules! state {
    ($row:ident) => {{
        use sqlx::Row as _;
        row::State {
            expires_at: $row.try_get_unchecked("expires_at")?,
            revoked_at: $row.try_get_unchecked("revoked_at")?,
            revoke_reason: $row.try_get_unchecked("revoke_reason")?,
            previous_hash: $row.try_get_unchecked("previous_hash")?,
            previous_at: $row.try_get_unchecked("previous_at")?,
            previous_device: $row.try_get_unchecked("previous_device")?,
            sealed_successor: $row.try_get_unchecked("sealed_successor")?,
        }
    }};
}

macro_rules! session {
    ($row:ident) => {{
        use sqlx::Row as _;

        use crate::{clock::from_unix_millis, token::AuthMethod};

        let scopes: String = $row.try_get_unchecked("scopes")?;
        let methods: String = $row.try_get_unchecked("methods")?;
        let reason: Option<String> = $row.try_get_unchecked("revoke_reason")?;
        Session {
            id: $row.try_get_unchecked("id")?,
            subject: $row.try_get_unchecked("subject")?,
            scopes: row::split(&scopes).map(str::to_owned).collect(),
            methods: row::split(&methods).map(AuthMethod::from).collect(),
            label: $row.try_get_unchecked("label")?,
            device: row::device($row.try_get_unchecked("device")?)?,
            authenticated_at: from_unix_millis($row.try_get_unchecked("authenticated_at")?),
            created_at: from_unix_millis($row.try_get_unchecked("created_at")?),
            refreshed_at: from_unix_millis($row.try_get_unchecked("refreshed_at")?),
            expires_at: from_unix_millis($row.try_get_unchecked("expires_at")?),
            revoked: row::revocation($row.try_get_unchecked("revoked_at")?, reason.as_deref()),
        }
    }};
}

pub(super) use {session, state};
