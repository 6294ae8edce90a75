//! Exclusive locks: the ones that most callers take, so little is done for each.

use std::time::Duration;

use redis::Value;
use redis::aio::ConnectionLike;

use super::scripts::{ACQUIRE, RELEASE};
use super::{RedisLock, millis, nonsense};
use crate::error::Result;
use crate::fence::Fence;
use crate::lock::{Attempt, Busy, Claim};
use crate::owner::Owner;

impl<C> RedisLock<C>
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    pub(super) async fn acquire(&self, claim: &Claim, lease: Duration) -> Result<Attempt> {
        let keys = self.keys(claim.key());
        let (fence, lease) = (keys.fence(), millis(lease).to_string());
        let keys = [keys.lock.as_bytes(), fence.as_bytes()];
        let arguments = [&prefix(*claim.owner())[..], lease.as_bytes()];
        attempt(&ACQUIRE.run(&keys, &arguments, &mut self.connection.clone()).await?)
    }

    pub(super) async fn give_back(&self, claim: &Claim) -> Result<bool> {
        let keys = self.keys(claim.key());
        let owner = prefix(*claim.owner());
        Ok(RELEASE.run(&[keys.lock.as_bytes()], &[&owner[..]], &mut self.connection.clone()).await?)
    }
}

/// What a lock of this owner begins with.
pub(super) fn prefix(owner: Owner) -> [u8; 33] {
    let mut prefix = [b':'; 33];
    prefix[..32].copy_from_slice(&owner.digits());
    prefix
}

/// What the scripts reply to an attempt: a token as text, or the rest of the holder's lease as a number.
fn attempt(reply: &Value) -> Result<Attempt> {
    match reply {
        Value::BulkString(token) => {
            let token = std::str::from_utf8(token).ok().and_then(|token| token.parse().ok());
            Ok(Attempt::Acquired(Fence::new(token.ok_or_else(|| nonsense("a fence token that is no number"))?)))
        }
        // A lock without a lease is none of ours; nobody knows when it ends.
        Value::Int(rest) => Ok(Attempt::Busy(match u64::try_from(*rest) {
            Ok(rest) => Busy::new().with_retry_after(Duration::from_millis(rest)),
            Err(_) => Busy::new(),
        })),
        _ => Err(nonsense("not an answer to an attempt")),
    }
}
