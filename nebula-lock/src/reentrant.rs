//! Locks that one owner takes several times.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::candidate::obtain;
use crate::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::guard::{Hand, LockGuard};
use crate::key::LockKey;
use crate::lock::{Claim, Mode};
use crate::options::Terms;
use crate::owner::Owner;
use crate::registry::{Entry, Registry};

type Name = (LockKey, Owner);

/// The hold of one owner. The mutex lets one of its callers at a time look for it, or acquire it.
type Place = Arc<Mutex<Weak<Hand>>>;

/// The holds of owners that callers named themselves.
pub(crate) type Owned = Registry<Name, Place>;

pub(crate) type OwnedEntry = Entry<Name, Place>;

/// Another guard of the hold that `owner` has, or else a new hold.
///
/// The backend knows each hold by an identity of its own, so that the release of one cannot hit the next of the owner.
pub(crate) async fn reenter(
    core: Arc<Core>,
    owner: Owner,
    claim: Claim,
    mut terms: Terms,
    lease: Option<Duration>,
) -> Result<Option<LockGuard>> {
    let start = Instant::now();
    let entry = core.owned.enter(&(claim.key().clone(), owner));
    let Some(place) = entry.value().map(Arc::clone) else { return Ok(None) };
    // Another task of the owner may be waiting for the same lock.
    let patience = terms.wait.unwrap_or(terms.command_timeout);
    let Ok(mut place) = timeout(patience, place.lock_owned()).await else {
        // Whether it got an answer is not known here, so one has to be asked for: an outage is no refusal.
        let asked = timeout(terms.command_timeout, core.backend.inspect(claim.key())).await;
        let asked = asked.unwrap_or_else(|_| Err(Error::new(ErrorKind::Unavailable, "no reply from the backend")));
        return asked.map(|_| None).map_err(|error| error.with_key(claim.key()));
    };
    if let Some(hand) = place.upgrade().filter(|hand| !hand.is_lost()) {
        return admit(&hand, &claim, lease).map(|()| Some(LockGuard::of(hand)));
    }
    if let Some(wait) = &mut terms.wait {
        *wait = wait.saturating_sub(start.elapsed());
    }
    let guard = obtain(core, claim, terms).await?;
    if let Some(guard) = &guard {
        *place = guard.register(entry);
    }
    Ok(guard)
}

/// Whether the hold is what the claim asks for.
fn admit(hand: &Hand, claim: &Claim, lease: Option<Duration>) -> Result<()> {
    let refused = |kind, context: &'static str| Err(Error::new(kind, context).with_key(claim.key()));
    let covers = hand.mode() == claim.mode() || (hand.mode() == Mode::Write && claim.mode() == Mode::Read);
    if !covers {
        return refused(ErrorKind::Unsupported, "its owner holds the lock in another mode");
    }
    if !hand.lasts(lease) {
        return refused(ErrorKind::InvalidLease, "its owner holds the lock with a shorter lease");
    }
    Ok(())
}
