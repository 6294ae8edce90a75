//! Exclusive locks: the ones that most callers take, so little is done for each.

use std::time::Duration;

use redis::Value;
use redis::aio::ConnectionLike;

use super::group::{Answer, Kind, Operation, UnderWay};
use super::keys::Names;
use super::scripts::{ACQUIRE, RELEASE};
use super::{Group, RedisLock, millis, nonsense};
use crate::error::{Error, ErrorKind, Result};
use crate::fence::Fence;
use crate::lock::{Attempt, Busy, Claim};
use crate::owner::Owner;

/// What takes the place of the token in a lock without one.
const NO_TOKEN: &[u8; 1] = b"0";

impl<C> RedisLock<C>
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    pub(super) async fn acquire(&self, claim: &Claim, lease: Duration) -> Result<Attempt> {
        let lease = millis(lease);
        let (under_way, answer) = self.share(claim, Kind::Acquire(lease));
        if let Some(answer) = answer
            && let Some(reply) = hear(answer).await
        {
            return attempt(&reply?);
        }
        let (names, owner) = (Names::new(&self.namespace, claim.key(), self.fenced), prefix(*claim.owner()));
        let lease = lease.to_string();
        let mut connection = self.connection.clone();
        let reply = match names.fence() {
            Some(fence) => {
                let names = [names.lock().as_bytes(), fence.as_bytes()];
                ACQUIRE.run(&names, &[&owner, lease.as_bytes()], &mut connection).await?
            }
            None if self.set(names.lock(), owner, &lease, &mut connection).await? => {
                return Ok(Attempt::Acquired(Fence::NONE));
            }
            // The script also tells the own hold from that of others, and notes that somebody waits.
            None => {
                ACQUIRE.run(&[names.lock().as_bytes()], &[&owner, lease.as_bytes(), NO_TOKEN], &mut connection).await?
            }
        };
        drop(under_way);
        attempt(&reply)
    }

    pub(super) async fn give_back(&self, claim: &Claim) -> Result<bool> {
        let (under_way, answer) = self.share(claim, Kind::Release);
        if let Some(answer) = answer
            && let Some(reply) = hear(answer).await
        {
            return Ok(reply? == Value::Int(1));
        }
        let (names, owner) = (Names::new(&self.namespace, claim.key(), false), prefix(*claim.owner()));
        let freed = RELEASE.run(&[names.lock().as_bytes()], &[&owner], &mut self.connection.clone()).await?;
        drop(under_way);
        Ok(freed)
    }

    /// Takes a free lock without a script. `false`: it is not free.
    async fn set(&self, lock: &str, owner: [u8; 33], lease: &str, connection: &mut C) -> Result<bool> {
        let mut value = [NO_TOKEN[0]; 34];
        value[..33].copy_from_slice(&owner);
        let mut set = redis::Cmd::with_capacity(6, lock.len() + lease.len() + 64);
        set.arg("SET").arg(lock).arg(&value).arg("NX").arg("PX").arg(lease);
        let reply: Option<()> = set.query_async(connection).await.map_err(nebula_redis::Error::from)?;
        Ok(reply.is_some())
    }

    /// Counts an operation as under way, and hands it to the group if enough others are.
    fn share(&self, claim: &Claim, kind: Kind) -> (Option<UnderWay<'_>>, Option<Answer>) {
        let Some(group) = &self.group else { return (None, None) };
        let under_way = Group::enter(group);
        if !under_way.shares() {
            return (Some(under_way), None);
        }
        let fenced = self.fenced && matches!(kind, Kind::Acquire(_));
        let names = Names::new(&self.namespace, claim.key(), fenced);
        let answer = group.add(Operation { kind, names, owner: prefix(*claim.owner()) }, &self.connection);
        (Some(under_way), answer)
    }
}

/// What came of an operation that was shared. `None`: it has to go alone.
async fn hear(answer: Answer) -> Option<Result<Value>> {
    let gone = |_| Some(Err(Error::new(ErrorKind::OutcomeUnknown, "the runtime went down with the batch")));
    answer.await.unwrap_or_else(gone)
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
