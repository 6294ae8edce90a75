//! What was used, in this process.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use foldhash::fast::RandomState;
use parking_lot::{Mutex, MutexGuard};
use smallvec::SmallVec;

use super::bucket::bucket;
use super::decision::Standing;
use super::judge::{Judged, State, judge};
use super::store::{Charge, Ruling, Verdict};
use crate::error::Result;

const SHARDS: usize = 32;

#[derive(Debug)]
struct Entry {
    state: State,
    /// When it is as if nothing had been used.
    idle_at: u64,
}

type Shard = HashMap<Box<[u8]>, Entry, RandomState>;

/// Accounts, bounded in number.
#[derive(Debug)]
pub(super) struct Shards {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    /// Most entries of a shard.
    most: usize,
}

impl Shards {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::default(),
            most: capacity.div_ceil(SHARDS).max(8),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    #[allow(clippy::cast_possible_truncation, reason = "the remainder is small")]
    fn shard_of(&self, bucket: &[u8]) -> usize {
        use std::hash::BuildHasher;
        (self.hasher.hash_one(bucket) >> 32) as usize % SHARDS
    }

    /// One charge: one shard, and nothing that others could refuse.
    pub(super) fn decide_one(&self, charge: &Charge<'_>, now: u64) -> Option<Ruling> {
        let bucket = bucket(charge.rule, charge.key);
        let mut shard = self.shards.get(self.shard_of(&bucket))?.lock();
        let known = shard.get_mut(&*bucket);
        let (judged, state) =
            judge(charge.quota, known.as_ref().map(|entry| &entry.state), now, charge.cost, charge.wanted).ok()?;
        if judged.granted > 0 || judged.stepped {
            let entry = Entry { state, idle_at: now.saturating_add(judged.reset) };
            match known {
                Some(known) => *known = entry,
                None => self.insert(&mut shard, &bucket, entry, now),
            }
        }
        Some(ruling(&judged))
    }

    pub(super) fn decide(&self, charges: &[Charge<'_>], now: u64) -> Result<Verdict> {
        let buckets: SmallVec<[_; 3]> = charges
            .iter()
            .map(|charge| {
                let bucket = bucket(charge.rule, charge.key);
                let shard = self.shard_of(&bucket);
                (bucket, shard)
            })
            .collect();
        // In the order of their places, so that two decisions never wait for each other.
        let mut locked: BTreeMap<usize, MutexGuard<'_, Shard>> = BTreeMap::new();
        let mut places: SmallVec<[usize; 3]> = buckets.iter().map(|bucket| bucket.1).collect();
        places.sort_unstable();
        places.dedup();
        for place in places {
            if let Some(shard) = self.shards.get(place) {
                locked.insert(place, shard.lock());
            }
        }
        let mut judged: SmallVec<[(Judged, State); 3]> = SmallVec::new();
        for (charge, (bucket, place)) in charges.iter().zip(&buckets) {
            let state = locked.get(place).and_then(|shard| shard.get(&**bucket)).map(|entry| &entry.state);
            judged.push(judge(charge.quota, state, now, charge.cost, charge.wanted)?);
        }
        let allowed = judged.iter().all(|(judged, _)| judged.allowed);
        if !allowed {
            for ((charge, (bucket, place)), it) in charges.iter().zip(&buckets).zip(&mut judged) {
                if it.0.allowed {
                    let state = locked.get(place).and_then(|shard| shard.get(&**bucket)).map(|entry| &entry.state);
                    *it = judge(charge.quota, state, now, 0, 0)?;
                }
            }
        }
        let mut rulings = SmallVec::new();
        for ((judged, state), (bucket, place)) in judged.into_iter().zip(&buckets) {
            rulings.push(ruling(&judged));
            if (judged.granted > 0 || judged.stepped)
                && let Some(shard) = locked.get_mut(place)
            {
                self.store(shard, bucket, Entry { state, idle_at: now.saturating_add(judged.reset) }, now);
            }
        }
        Ok(Verdict { allowed, rulings })
    }

    fn store(&self, shard: &mut Shard, bucket: &[u8], entry: Entry, now: u64) {
        match shard.get_mut(bucket) {
            Some(known) => *known = entry,
            None => self.insert(shard, bucket, entry, now),
        }
    }

    fn insert(&self, shard: &mut Shard, bucket: &[u8], entry: Entry, now: u64) {
        if shard.len() >= self.most {
            shard.retain(|_, entry| entry.idle_at > now);
            // All of them in use: those go that would be forgotten first.
            if shard.len() >= self.most {
                let mut ends: Vec<u64> = shard.values().map(|entry| entry.idle_at).collect();
                let place = ends.len() / 8;
                let (_, end, _) = ends.select_nth_unstable(place);
                let end = *end;
                shard.retain(|_, entry| entry.idle_at > end);
            }
        }
        shard.insert(bucket.into(), entry);
    }
}

pub(super) const fn ruling(judged: &Judged) -> Ruling {
    Ruling {
        granted: judged.granted,
        standing: Standing {
            allowed: judged.allowed,
            remaining: judged.remaining,
            retry_after: Duration::from_micros(judged.retry),
            reset_after: Duration::from_micros(judged.reset),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rate_limit::Quota;

    #[test]
    fn memory_is_bounded_and_those_who_owe_most_stay() {
        let shards = Shards::new(1000);
        let quota = Quota::rate(1, Duration::from_secs(60)).unwrap().with_burst(10).unwrap();
        let charge = |key: &str, cost: u64, now: u64| {
            let charge = Charge { rule: "r", key: key.as_bytes(), quota: &quota, cost, wanted: cost };
            shards.decide(&[charge], now).unwrap().allowed
        };
        assert!(charge("heavy", 10, 1));
        for number in 0..20_000 {
            assert!(charge(&number.to_string(), 1, 2));
        }
        assert!(shards.len() <= 1000 + SHARDS, "{}", shards.len());
        assert!(!charge("heavy", 1, 3));
    }
}
