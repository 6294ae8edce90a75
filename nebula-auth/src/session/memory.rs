//! Sessions in the memory of one process.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    sync::Arc,
    time::SystemTime,
};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{
    DeviceFingerprint,
    store::{RefreshStore, Revocation, RevokeReason, Rotation, RotationOutcome, Session, TokenHash},
};
use crate::error::{Error, ErrorKind};

/// Keeps sessions in this process; they end with it. Clones share them.
#[derive(Clone, Default)]
pub struct MemoryRefreshStore(Arc<Mutex<HashMap<String, Family>>>);

struct Family {
    session: Session,
    current: TokenHash,
    previous: Option<Exchanged>,
}

/// The last token that was exchanged. Only this one can be in its grace: an older one's successor has been used.
struct Exchanged {
    token: TokenHash,
    sealed_successor: Vec<u8>,
    device: Option<DeviceFingerprint>,
    at: SystemTime,
}

impl MemoryRefreshStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl fmt::Debug for MemoryRefreshStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRefreshStore").field("sessions", &self.0.lock().len()).finish()
    }
}

impl Family {
    fn rotate(&mut self, rotation: &Rotation) -> RotationOutcome {
        if let Some(revocation) = self.session.revoked {
            return RotationOutcome::Revoked(revocation);
        }
        if rotation.now >= self.session.expires_at {
            return RotationOutcome::Expired;
        }
        if rotation.presented == self.current {
            self.previous = Some(Exchanged {
                token: self.current,
                sealed_successor: rotation.sealed_successor.clone(),
                device: rotation.device,
                at: rotation.now,
            });
            self.current = rotation.successor;
            self.session.refreshed_at = rotation.now;
            return RotationOutcome::Rotated;
        }
        let repeated = self.previous.as_ref().filter(|last| {
            last.token == rotation.presented
                && last.device == rotation.device
                && rotation.now < last.at + rotation.grace
        });
        if let Some(last) = repeated {
            return RotationOutcome::Repeated { sealed_successor: last.sealed_successor.clone() };
        }
        self.session.revoked = Some(Revocation { at: rotation.now, reason: RevokeReason::Reuse });
        RotationOutcome::Reused
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl RefreshStore for MemoryRefreshStore {
    async fn create(&self, session: &Session, first: TokenHash) -> Result<(), Error> {
        match self.0.lock().entry(session.id.clone()) {
            Entry::Occupied(_) => Err(Error::new(ErrorKind::Internal, "a session of that id exists already")),
            Entry::Vacant(entry) => {
                entry.insert(Family { session: session.clone(), current: first, previous: None });
                Ok(())
            }
        }
    }

    async fn rotate(&self, rotation: &Rotation) -> Result<RotationOutcome, Error> {
        let mut families = self.0.lock();
        Ok(families.get_mut(&rotation.session_id).map_or(RotationOutcome::Unknown, |family| family.rotate(rotation)))
    }

    async fn session(&self, id: &str) -> Result<Option<Session>, Error> {
        Ok(self.0.lock().get(id).map(|family| family.session.clone()))
    }

    async fn sessions_of(&self, subject: &str) -> Result<Vec<Session>, Error> {
        let families = self.0.lock();
        let mut found: Vec<_> =
            families.values().map(|family| &family.session).filter(|s| s.subject == subject).cloned().collect();
        found.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        Ok(found)
    }

    async fn revoke(&self, id: &str, revocation: Revocation) -> Result<bool, Error> {
        let mut families = self.0.lock();
        let Some(family) = families.get_mut(id).filter(|family| family.session.revoked.is_none()) else {
            return Ok(false);
        };
        family.session.revoked = Some(revocation);
        Ok(true)
    }

    async fn revoke_all(&self, subject: &str, except: Option<&str>, revocation: Revocation) -> Result<u64, Error> {
        let mut count = 0;
        for session in self.0.lock().values_mut().map(|family| &mut family.session) {
            if session.subject == subject && Some(session.id.as_str()) != except && session.revoked.is_none() {
                session.revoked = Some(revocation);
                count += 1;
            }
        }
        Ok(count)
    }

    async fn purge(&self, before: SystemTime, limit: u32) -> Result<u64, Error> {
        let mut left = limit;
        self.0.lock().retain(|_, family| {
            let keep = left == 0 || family.session.expires_at >= before;
            left -= u32::from(!keep);
            keep
        });
        Ok(u64::from(limit - left))
    }

    async fn health(&self) -> Result<(), Error> {
        Ok(())
    }
}
