//! Fair locks: a queue on the server, from which a release hands the lock over to the next one.

use std::time::Duration;

use futures_util::stream;
use nebula_redis::{Event, Subscription};
use redis::aio::ConnectionLike;

use super::scripts::{FAIR_ACQUIRE, FAIR_RELEASE};
use super::{HEARTBEAT, RedisLock, millis, nonsense};
use crate::error::Result;
use crate::fence::Fence;
use crate::lock::{Attempt, Busy, Claim, Mode, Place};
use crate::watch::{Hint, Watch};

/// What is published when anybody who waits may try.
const FREE: &[u8] = b"free";

impl<C> RedisLock<C>
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    pub(super) async fn queue_up(&self, claim: &Claim, lease: Duration) -> Result<Attempt> {
        let keys = self.keys(claim.key());
        let mut call = FAIR_ACQUIRE.key(&keys.lock).key(keys.fence());
        for part in ["queue", "alive", "brief"] {
            call = call.key(keys.part(part));
        }
        let call = call.arg(claim.owner().to_string()).arg(millis(lease)).arg(millis(HEARTBEAT));
        let reply: Vec<u64> = call.invoke(&mut self.connection.clone()).await?;
        match *reply {
            [1, token] => Ok(Attempt::Acquired(Fence::new(token))),
            [0, rest, place] => {
                let busy = Busy::new().with_retry_after(Duration::from_millis(rest));
                Ok(Attempt::Busy(busy.with_place(Place::new(place, HEARTBEAT))))
            }
            _ => Err(nonsense("not an answer to an attempt")),
        }
    }

    pub(super) async fn pass_on(&self, claim: &Claim) -> Result<bool> {
        let keys = self.keys(claim.key());
        let mut call = FAIR_RELEASE.key(&keys.lock).key(keys.fence());
        for part in ["queue", "alive", "brief"] {
            call = call.key(keys.part(part));
        }
        Ok(call.arg(claim.owner().to_string()).invoke(&mut self.connection.clone()).await?)
    }

    /// What a claim hears on the channel of its lock.
    pub(super) fn hear(&self, claim: &Claim, subscription: Subscription) -> Watch {
        // Replicas have to be asked about a lock before anybody takes it for his own.
        let takes_over = claim.mode() == Mode::Fair && self.replicas.is_none();
        Watch::new(stream::unfold(subscription, move |mut subscription| async move {
            let hint = match subscription.next().await? {
                Event::Message { payload, .. } if takes_over => handed_over(&payload).unwrap_or(Hint::Look),
                // After a reconnect, too, the lock may have become free unheard.
                _ => Hint::Look,
            };
            Some((hint, subscription))
        }))
    }
}

/// Whether a message concerns a claim: in a queue, only the one that is next is called, by name.
pub(super) fn wanted(claim: &Claim) -> impl Fn(&[u8]) -> bool + Send + 'static {
    let name = (claim.mode() == Mode::Fair).then(|| claim.owner().digits());
    move |payload| name.is_none_or(|name| payload == FREE || payload.starts_with(&name))
}

/// `owner place token`.
fn handed_over(payload: &[u8]) -> Option<Hint> {
    let mut words = std::str::from_utf8(payload).ok()?.split(' ').skip(1);
    let mut number = || words.next()?.parse().ok();
    Some(Hint::HandedOver { place: number()?, fence: Fence::new(number()?) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::LockKey;
    use crate::owner::Owner;

    #[test]
    fn a_claim_hears_of_its_own_turn() {
        let claim = Claim::new(LockKey::new("key").unwrap(), Owner::random()).with_mode(Mode::Fair);
        let wanted = wanted(&claim);
        let (own, other) = (format!("{} 7 1000", claim.owner()), format!("{} 7 1000", Owner::random()));
        assert!(wanted(own.as_bytes()) && wanted(FREE) && !wanted(other.as_bytes()));
        assert_eq!(handed_over(own.as_bytes()), Some(Hint::HandedOver { place: 7, fence: Fence::new(1000) }));
        assert_eq!(handed_over(FREE), None);
    }
}
