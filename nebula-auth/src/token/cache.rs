//! Remembers tokens whose signature was found good, because a signature costs far more than everything else.

use std::{collections::HashMap, fmt, mem, time::Duration};

use aws_lc_rs::digest::{SHA256, digest};
use parking_lot::Mutex;

use super::Principal;

/// Tokens are told apart by their hash in full; what is kept is of no use to who reads it.
pub(super) type TokenKey = [u8; 32];

/// The keys that a token was verified with: it is forgotten with them.
pub(super) type Generation = (u64, u64);

/// Holds at most twice its capacity: when the young half is full, the old one goes. What is used stays young.
pub(super) struct VerifiedTokens {
    shards: Vec<Mutex<Halves>>,
    capacity: usize,
}

#[derive(Default)]
struct Halves {
    young: HashMap<TokenKey, Verified, foldhash::fast::RandomState>,
    old: HashMap<TokenKey, Verified, foldhash::fast::RandomState>,
}

#[derive(Clone)]
struct Verified {
    principal: Principal,
    generation: Generation,
}

const SHARDS: usize = 16;

impl VerifiedTokens {
    pub(super) fn new(capacity: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, capacity: capacity.div_ceil(SHARDS).max(1) }
    }

    pub(super) fn key(token: &str) -> TokenKey {
        let mut key = [0u8; 32];
        key.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        key
    }

    fn shard(&self, key: &TokenKey) -> &Mutex<Halves> {
        &self.shards[usize::from(key[31]) % SHARDS]
    }

    /// The principal of a token that is known and still good at that time.
    pub(super) fn find(
        &self,
        key: &TokenKey,
        generation: Generation,
        now: std::time::SystemTime,
        leeway: Duration,
    ) -> Option<Principal> {
        let mut halves = self.shard(key).lock();
        let found = match halves.young.get(key) {
            Some(found) => found.clone(),
            None => {
                let found = halves.old.remove(key)?;
                halves.insert(*key, found.clone(), self.capacity);
                found
            }
        };
        drop(halves);
        let alive = found.principal.expires_at().checked_add(leeway).is_some_and(|end| now < end)
            // A clock that was set back judges again.
            && found.principal.issued_at().checked_sub(leeway).is_some_and(|begin| now >= begin);
        (found.generation == generation && alive).then_some(found.principal)
    }

    pub(super) fn insert(&self, key: TokenKey, generation: Generation, principal: Principal) {
        self.shard(&key).lock().insert(key, Verified { principal, generation }, self.capacity);
    }
}

impl Halves {
    fn insert(&mut self, key: TokenKey, verified: Verified, capacity: usize) {
        if self.young.len() >= capacity {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, verified);
    }
}

impl fmt::Debug for VerifiedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedTokens").field("capacity", &(self.capacity * SHARDS)).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccessGrant, Algorithm, KeySet, SigningKey, TokenService};

    #[test]
    fn the_number_of_tokens_is_bounded() {
        let keys = KeySet::new(SigningKey::generate(Algorithm::HS256, "k").unwrap());
        let principal = TokenService::new(keys, "i", "a").unwrap().issue(&AccessGrant::new("ann")).unwrap().principal;
        let cache = VerifiedTokens::new(160);
        for number in 0..10_000u32 {
            cache.insert(VerifiedTokens::key(&number.to_string()), (0, 0), principal.clone());
        }
        let kept = |shard: &Mutex<Halves>| {
            let halves = shard.lock();
            halves.young.len() + halves.old.len()
        };
        let kept: usize = cache.shards.iter().map(kept).sum();
        assert!((160..=320).contains(&kept), "{kept}");
    }
}
