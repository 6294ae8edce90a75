//! Sessions in the memory of one process.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{
    DeviceFingerprint,
    store::{Reauthentication, RefreshStore, Revocation, RevokeReason, Rotation, RotationOutcome, Session, TokenHash},
};
use crate::error::{Error, ErrorKind};

/// Sessions that ended longer ago than this are dropped when room is needed.
const KEPT_AFTER_END: Duration = Duration::from_secs(60);

/// Keeps sessions in this process; they end with it. Clones share them. Memory is bounded by the live sessions, even
/// where nobody calls [`purge_expired`](crate::SessionService::purge_expired).
#[derive(Clone, Default)]
pub struct MemoryRefreshStore(Arc<Mutex<Families>>);

#[derive(Default)]
struct Families {
    by_id: HashMap<String, Family>,
    by_subject: HashMap<String, HashSet<String>>,
    sweep_at: usize,
}

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

    /// How many sessions are kept at the moment, ended ones included.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.0.lock().by_id.len()
    }
}

impl fmt::Debug for MemoryRefreshStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRefreshStore").field("sessions", &self.0.lock().by_id.len()).finish()
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
                && distance(rotation.now, last.at) < rotation.grace
        });
        if let Some(last) = repeated {
            return RotationOutcome::Repeated { sealed_successor: last.sealed_successor.clone() };
        }
        self.session.revoked = Some(Revocation { at: rotation.now, reason: RevokeReason::Reuse });
        RotationOutcome::Reused
    }
}

/// The clocks of two callers may disagree, so the later time need not come later.
fn distance(a: SystemTime, b: SystemTime) -> Duration {
    a.duration_since(b).unwrap_or_else(|error| error.duration())
}

impl Families {
    /// Sweeping whenever the number has doubled costs each session a constant amount of work.
    fn make_room(&mut self, now: SystemTime) {
        if self.by_id.len() < self.sweep_at {
            return;
        }
        self.remove_where(usize::MAX, |session| session.expires_at + KEPT_AFTER_END < now);
        self.sweep_at = self.by_id.len() * 2 + 256;
    }

    fn remove_where(&mut self, limit: usize, over: impl Fn(&Session) -> bool) -> usize {
        let gone: Vec<String> =
            self.by_id.values().filter(|f| over(&f.session)).take(limit).map(|f| f.session.id.clone()).collect();
        for family in gone.iter().filter_map(|id| self.by_id.remove(id)) {
            if let Entry::Occupied(mut ids) = self.by_subject.entry(family.session.subject) {
                ids.get_mut().remove(&family.session.id);
                if ids.get().is_empty() {
                    ids.remove();
                }
            }
        }
        gone.len()
    }

    fn ids_of(&self, subject: &str) -> Vec<String> {
        self.by_subject.get(subject).map(|ids| ids.iter().cloned().collect()).unwrap_or_default()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl RefreshStore for MemoryRefreshStore {
    async fn create(&self, session: &Session, first: TokenHash) -> Result<(), Error> {
        let mut families = self.0.lock();
        families.make_room(session.created_at);
        let families = &mut *families;
        match families.by_id.entry(session.id.clone()) {
            Entry::Occupied(_) => Err(Error::new(ErrorKind::InvalidInput, "a session of that id exists already")),
            Entry::Vacant(entry) => {
                entry.insert(Family { session: session.clone(), current: first, previous: None });
                families.by_subject.entry(session.subject.clone()).or_default().insert(session.id.clone());
                Ok(())
            }
        }
    }

    async fn rotate(&self, rotation: &Rotation) -> Result<RotationOutcome, Error> {
        let mut families = self.0.lock();
        Ok(families
            .by_id
            .get_mut(&rotation.session_id)
            .map_or(RotationOutcome::Unknown, |family| family.rotate(rotation)))
    }

    async fn reauthenticate(&self, id: &str, proof: &Reauthentication) -> Result<bool, Error> {
        let mut families = self.0.lock();
        let Some(family) = families.by_id.get_mut(id).filter(|family| family.session.is_live(proof.at)) else {
            return Ok(false);
        };
        family.session.authenticated_at = proof.at;
        family.session.methods.clone_from(&proof.methods);
        family.session.device = proof.device;
        Ok(true)
    }

    async fn session(&self, id: &str) -> Result<Option<Session>, Error> {
        Ok(self.0.lock().by_id.get(id).map(|family| family.session.clone()))
    }

    async fn sessions_of(&self, subject: &str) -> Result<Vec<Session>, Error> {
        let families = self.0.lock();
        let sessions = families.ids_of(subject).into_iter().filter_map(|id| families.by_id.get(&id));
        let mut found: Vec<_> = sessions.map(|family| family.session.clone()).collect();
        found.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
        Ok(found)
    }

    async fn revoke(&self, id: &str, revocation: Revocation) -> Result<bool, Error> {
        let mut families = self.0.lock();
        let Some(family) = families.by_id.get_mut(id).filter(|family| family.session.revoked.is_none()) else {
            return Ok(false);
        };
        family.session.revoked = Some(revocation);
        Ok(true)
    }

    async fn revoke_all(&self, subject: &str, except: Option<&str>, revocation: Revocation) -> Result<u64, Error> {
        let mut count = 0;
        let mut families = self.0.lock();
        for id in families.ids_of(subject).into_iter().filter(|id| Some(id.as_str()) != except) {
            if let Some(family) = families.by_id.get_mut(&id).filter(|family| family.session.revoked.is_none()) {
                family.session.revoked = Some(revocation);
                count += 1;
            }
        }
        Ok(count)
    }

    async fn purge(&self, before: SystemTime, limit: u32) -> Result<u64, Error> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let removed = self.0.lock().remove_where(limit, |session| session.expires_at < before);
        Ok(u64::try_from(removed).unwrap_or(u64::MAX))
    }

    async fn health(&self) -> Result<(), Error> {
        Ok(())
    }
}
