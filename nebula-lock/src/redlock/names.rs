//! The names under which nodes know claims.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::key::LockKey;
use crate::lock::Claim;
use crate::owner::Owner;

/// How long, at least, a command may still be under way of which nothing was heard.
const UNDER_WAY: Duration = Duration::from_secs(60);

/// A claim that is given back on some node without confirmation gets another name for its next attempt: the release may
/// still be on its way, on an old connection say, and would take back there what the claim has got since.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<HashMap<(LockKey, Owner), Name>>);

#[derive(Debug)]
struct Name {
    owner: Owner,
    until: Instant,
}

impl Names {
    /// The claim as the nodes know it.
    pub(super) fn of(&self, claim: &Claim) -> Claim {
        let names = self.0.lock();
        if names.is_empty() {
            return claim.clone();
        }
        let owner = names.get(&(claim.key().clone(), *claim.owner())).map_or(*claim.owner(), |name| name.owner);
        Claim::new(claim.key().clone(), owner).with_mode(claim.mode())
    }

    /// Gives the claim a new name. `lease`: how long whatever is under the old one can last.
    pub(super) fn change(&self, claim: &Claim, lease: Duration) {
        let now = Instant::now();
        let mut names = self.0.lock();
        names.retain(|_, name| name.until > now);
        let name = Name { owner: Owner::random(), until: now + lease.max(UNDER_WAY) };
        names.insert((claim.key().clone(), *claim.owner()), name);
    }

    /// Remembers the name of a hold for as long as its lease lasts.
    pub(super) fn keep(&self, claim: &Claim, lease: Duration) {
        let mut names = self.0.lock();
        if names.is_empty() {
            return;
        }
        if let Some(name) = names.get_mut(&(claim.key().clone(), *claim.owner())) {
            name.until = name.until.max(Instant::now() + lease);
        }
    }
}
