//! What is known about users, and for how long it may be believed.

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
    hash::{BuildHasher, Hasher as _},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::SystemTime,
};

use foldhash::fast::RandomState;
use parking_lot::RwLock;

use super::{
    coarse,
    key::{PermissionBits, PermissionKey},
};
use crate::rbac::{
    authority::{Active, Authority},
    model::User,
    name::{RoleName, UserId},
    policy::Policy,
};

const SHARDS: usize = 64;

/// Places of each thread, in sets of two; a power of two. Two users whose ids lead to one set do not drive each other out.
const SETS: usize = if cfg!(test) { 8 } else { 2048 };

/// A user's id where it is compared without a second look at memory, if it is not longer than most: the text of a UUID has
/// 36 bytes.
#[derive(Debug)]
struct NearId {
    /// Longer than the room for an id that is not here.
    len: u8,
    bytes: [u8; Self::ROOM],
}

impl NearId {
    const ROOM: usize = 39;

    fn of(id: &str) -> Self {
        let mut bytes = [0; Self::ROOM];
        match bytes.get_mut(..id.len()) {
            Some(room) => room.copy_from_slice(id.as_bytes()),
            None => return Self { len: u8::MAX, bytes },
        }
        Self { len: u8::try_from(id.len()).unwrap_or(u8::MAX), bytes }
    }

    /// Whether it is this id; nothing if it is not here.
    #[inline]
    fn is(&self, id: &str) -> Option<bool> {
        let bytes = self.bytes.get(..usize::from(self.len))?;
        Some(bytes.len() == id.len() && same(bytes, id.as_bytes()))
    }
}

/// Compares texts of one length in place: the call of a function for it costs more than most ids are long.
#[inline]
fn same(one: &[u8], other: &[u8]) -> bool {
    let ((one, one_end), (other, other_end)) = (one.as_chunks::<8>(), other.as_chunks::<8>());
    one.iter().zip(other).all(|(one, other)| u64::from_ne_bytes(*one) == u64::from_ne_bytes(*other))
        && one_end.iter().zip(other_end).all(|(one, other)| one == other)
}

/// One user as read from the store. What a check reads comes first, and together.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Held {
    cache: u64,
    /// On the coarse clock.
    deadline: u64,
    valid: AtomicBool,
    near: NearId,
    bits: PermissionBits,
    pub(crate) id: UserId,
    pub(crate) authority: Authority,
    pub(crate) user: Option<User>,
    pub(crate) policy: Arc<Policy>,
    /// On the store's clock.
    read_at: SystemTime,
}

impl Held {
    #[inline]
    pub(crate) fn is_current(&self, now: u64) -> bool {
        now < self.deadline && self.valid.load(Ordering::Acquire)
    }

    #[inline]
    pub(crate) fn has(&self, key: PermissionKey) -> Option<bool> {
        self.bits.has(key)
    }

    #[inline]
    fn is_of(&self, user: &str) -> bool {
        self.near.is(user).unwrap_or_else(|| self.id.as_str() == user)
    }

    /// What comes of some of the user's roles.
    pub(crate) fn chosen(&self, roles: &BTreeSet<RoleName>) -> Authority {
        let user = self.user.as_ref();
        user.map(|user| Authority::of(&self.policy, user, Active::Only(roles), self.read_at)).unwrap_or_default()
    }

    /// Whether the user has the role themselves, not by inheritance. What has ended since would have ended what is held.
    pub(crate) fn has_own(&self, role: &RoleName) -> bool {
        let user = self.user.as_ref().filter(|user| !user.disabled);
        user.and_then(|user| user.roles.get(role)).is_some_and(|assignment| assignment.is_live(self.read_at))
    }

    /// Whoever leaves the map is no longer believed anywhere: threads may hold it, and changes reach only what is in the
    /// map. Returns `false`, for `retain`.
    fn retire(&self) -> bool {
        self.valid.store(false, Ordering::Release);
        false
    }

    /// Whether every permission that the program checks by now is in the set or not in it.
    pub(crate) fn has_all(&self) -> bool {
        self.bits.is_complete()
    }
}

/// A user being read. Whatever changes meanwhile marks it, so that what was read too early is not kept.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    pub(crate) stale: AtomicBool,
    pub(crate) turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Shard {
    held: HashMap<UserId, Arc<Held>, RandomState>,
    flights: HashMap<UserId, Arc<Flight>, RandomState>,
}

/// All users known in this process.
pub(crate) struct Cache {
    number: u64,
    shards: Vec<RwLock<Shard>>,
    hasher: RandomState,
    capacity: usize,
    /// On the coarse clock: until then nothing has changed that this process has not heard of, as far as counts here.
    fresh_until: AtomicU64,
}

thread_local! {
    static RECENT: RefCell<Vec<[Option<Arc<Held>>; 2]>> = const { RefCell::new(Vec::new()) };
}

impl Cache {
    pub(crate) fn new(capacity: usize) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        Self {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            hasher: RandomState::default(),
            capacity: capacity.div_ceil(SHARDS).max(1),
            fresh_until: AtomicU64::new(0),
        }
    }

    #[inline]
    pub(crate) fn is_fresh(&self) -> bool {
        coarse::now() < self.fresh_until.load(Ordering::Acquire)
    }

    pub(crate) fn believe_until(&self, millis: u64) {
        self.fresh_until.fetch_max(millis, Ordering::AcqRel);
    }

    /// Whether a user has a permission; nothing if that is not known at this moment.
    #[inline]
    pub(crate) fn check(&self, user: &str, key: PermissionKey) -> Option<bool> {
        let now = coarse::now();
        if now >= self.fresh_until.load(Ordering::Acquire) {
            return None;
        }
        let hash = self.place(user);
        let hit = RECENT.with_borrow(|sets| {
            let set = sets.get(hash as usize % SETS)?;
            let mine = |held: &&Arc<Held>| held.cache == self.number && held.is_of(user) && held.is_current(now);
            set.iter().flatten().find(mine).map(|held| held.has(key))
        });
        hit.unwrap_or_else(|| self.check_shared(hash, user, key, now))
    }

    /// As [`check`](Self::check), from what all threads share; the next check of this thread finds it at hand.
    #[cold]
    #[inline(never)]
    fn check_shared(&self, hash: u64, user: &str, key: PermissionKey, now: u64) -> Option<bool> {
        let held = self.find(self.hasher.hash_one(user), user, now)?;
        let answer = held.has(key);
        RECENT.with_borrow_mut(|sets| {
            if sets.is_empty() {
                sets.resize(SETS, [None, None]);
            }
            if let Some([first, second]) = sets.get_mut(hash as usize % SETS) {
                // What cannot be used any more goes first, and then what came before the other.
                if first.as_ref().is_some_and(|old| old.cache == self.number && old.is_current(now)) {
                    *second = first.take();
                }
                *first = Some(held);
            }
        });
        answer
    }

    /// As [`check`](Self::check), of a user at hand.
    #[inline]
    pub(crate) fn check_held(&self, held: &Held, key: PermissionKey) -> Option<bool> {
        let now = coarse::now();
        if now >= self.fresh_until.load(Ordering::Acquire) || !held.is_current(now) {
            return None;
        }
        held.has(key)
    }

    /// Where this thread looks for a user. Ids are compared there, so nothing rests on how well this spreads them.
    #[inline]
    fn place(&self, user: &str) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(user.as_bytes());
        hasher.finish()
    }

    /// What is known about a user and may be believed.
    pub(crate) fn get(&self, user: &str) -> Option<Arc<Held>> {
        let now = coarse::now();
        if now >= self.fresh_until.load(Ordering::Acquire) {
            return None;
        }
        self.find(self.hasher.hash_one(user), user, now)
    }

    fn shard(&self, hash: u64) -> Option<&RwLock<Shard>> {
        self.shards.get((hash >> 32) as usize % SHARDS)
    }

    fn find(&self, hash: u64, user: &str, now: u64) -> Option<Arc<Held>> {
        let shard = self.shard(hash)?.read();
        shard.held.get(user).filter(|held| held.is_current(now)).map(Arc::clone)
    }

    /// Announces that a user is about to be read.
    pub(crate) fn take_off(&self, user: &UserId) -> Arc<Flight> {
        let Some(shard) = self.shard(self.hasher.hash_one(user.as_str())) else { return Arc::default() };
        let mut shard = shard.write();
        let flight = shard.flights.entry(user.clone()).or_default();
        // A marked one is of no use to somebody who starts now.
        if flight.stale.load(Ordering::Acquire) {
            *flight = Arc::default();
        }
        Arc::clone(flight)
    }

    /// Forgets a reading that nobody waits for any more.
    pub(crate) fn give_up(&self, user: &UserId, flight: &Arc<Flight>) {
        if let Some(shard) = self.shard(self.hasher.hash_one(user.as_str())) {
            let mut shard = shard.write();
            // This caller's, and the map's.
            if shard.flights.get(user).is_some_and(|known| Arc::ptr_eq(known, flight)) && Arc::strong_count(flight) <= 2
            {
                shard.flights.remove(user);
            }
        }
    }

    /// Keeps what was read, unless something has changed since the reading began.
    pub(crate) fn land(&self, flight: &Arc<Flight>, held: &Arc<Held>) -> bool {
        let Some(shard) = self.shard(self.hasher.hash_one(held.id.as_str())) else { return false };
        let mut shard = shard.write();
        if flight.stale.load(Ordering::Acquire) {
            return false;
        }
        if shard.held.len() >= self.capacity && !shard.held.contains_key(&held.id) {
            let now = coarse::now();
            shard.held.retain(|_, held| held.is_current(now) || held.retire());
            // Any half will do: what is in use comes back with one reading.
            let mut keep = false;
            if shard.held.len() >= self.capacity {
                shard.held.retain(|_, held| {
                    keep = !keep;
                    (keep && self.capacity > 1) || held.retire()
                });
            }
        }
        if let Some(old) = shard.held.insert(held.id.clone(), Arc::clone(held)) {
            old.retire();
        }
        true
    }

    pub(crate) fn held(
        &self,
        id: UserId,
        user: Option<User>,
        authority: Authority,
        policy: Arc<Policy>,
        (read_at, deadline): (SystemTime, u64),
    ) -> Arc<Held> {
        let bits = PermissionBits::of(authority.permissions.iter());
        let (near, valid) = (NearId::of(id.as_str()), AtomicBool::new(true));
        Arc::new(Held { cache: self.number, deadline, valid, near, bits, id, authority, user, policy, read_at })
    }

    /// Nothing that was read about these users before this call is believed after it.
    pub(crate) fn forget(&self, users: &[UserId]) {
        for user in users {
            if let Some(shard) = self.shard(self.hasher.hash_one(user.as_str())) {
                let mut shard = shard.write();
                if let Some(held) = shard.held.remove(user) {
                    held.retire();
                }
                if let Some(flight) = shard.flights.remove(user) {
                    flight.stale.store(true, Ordering::Release);
                }
            }
        }
    }

    /// Nothing that was read before this call is believed after it.
    pub(crate) fn forget_all(&self) {
        for shard in &self.shards {
            let mut shard = shard.write();
            for (_, held) in shard.held.drain() {
                held.retire();
            }
            for (_, flight) in shard.flights.drain() {
                flight.stale.store(true, Ordering::Release);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().held.len()).sum()
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
