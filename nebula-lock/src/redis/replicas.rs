//! Locks that so many replicas know before anybody gets them.

use std::collections::HashMap;
use std::mem::take;
use std::sync::Arc;
use std::time::Duration;

use nebula_redis::Error as RedisError;
use parking_lot::Mutex;
use redis::Value;
use redis::aio::ConnectionLike;
use tokio::sync::oneshot;

use super::keys::Keys;
use super::{RedisLock, millis};
use crate::error::{Error, ErrorKind, Result};
use crate::lock::{Attempt, Claim, DistributedLock, Mode};

/// Locks that are asked about together at most.
const BATCH: usize = 512;

/// How long the key lives that is written to see how far the replicas are.
const MARK_LIVES: Duration = Duration::from_secs(10);

/// Asks how many replicas know of a lock, for all locks that wait for that at the same time.
///
/// One pipeline over one link looks at the locks, writes a mark and ends with `WAIT`. Replicas apply what a master wrote in
/// its order: those that have the mark have the locks that were seen before it.
pub(super) struct Replicas<C> {
    connection: C,
    wanted: usize,
    timeout: Duration,
    /// Each slot of a cluster is asked on its own.
    by_slot: bool,
    lanes: Mutex<HashMap<u64, Vec<Question>>>,
}

struct Question {
    look: redis::Cmd,
    owner: [u8; 33],
    mark: String,
    answer: oneshot::Sender<Result<usize, RedisError>>,
}

impl<C> RedisLock<C> {
    /// Hands a lock out only when at least `replicas` replicas know of it within `timeout`. If they are fewer, the lock is
    /// given back, and the attempt fails with [`ErrorKind::NotReplicated`].
    ///
    /// A failover to a replica that knows then loses no lock that anybody holds. It is no consensus: Sentinel may promote
    /// another replica, and renewals are not waited for. `timeout` has to be well below the response timeout of
    /// `connection`, which has to be one of its own: `WAIT` keeps everything behind it waiting. Acquisitions that come
    /// together share one `WAIT`.
    #[must_use]
    pub fn with_replicas(mut self, connection: C, replicas: usize, timeout: Duration) -> Self {
        self.replicas = Some(Arc::new(Replicas::new(connection, replicas, timeout, false)));
        self
    }

    /// Like [`with_replicas`](Self::with_replicas), on a cluster. Only acquisitions whose locks share a slot can share a
    /// `WAIT` there; others wait one behind the other while replicas are missing.
    #[must_use]
    pub fn with_replicas_on_cluster(mut self, connection: C, replicas: usize, timeout: Duration) -> Self {
        self.replicas = Some(Arc::new(Replicas::new(connection, replicas, timeout, true)));
        self
    }
}

impl<C> RedisLock<C>
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    pub(super) async fn ask_replicated(
        &self,
        replicas: &Arc<Replicas<C>>,
        claim: &Claim,
        lease: Duration,
    ) -> Result<Attempt> {
        let fence = match self.ask(claim, lease).await? {
            Attempt::Acquired(fence) => fence,
            // What is handed over has to be known to replicas as well, so it takes another attempt: there is no place to wait at.
            Attempt::Busy(busy) => return Ok(Attempt::Busy(busy.without_place())),
        };
        let error = match replicas.count(&self.keys(claim.key()), claim).await {
            Ok(count) if count >= replicas.wanted => return Ok(Attempt::Acquired(fence)),
            Ok(count) => {
                let wanted = replicas.wanted;
                Error::new(ErrorKind::NotReplicated, format!("{count} of {wanted} replicas know of it in time"))
            }
            Err(error) => error,
        };
        match self.release(claim).await {
            Ok(_) if error.kind() == ErrorKind::OutcomeUnknown => {
                Err(Error::new(ErrorKind::Unavailable, "cannot tell how many replicas know of it").with_source(error))
            }
            Ok(_) => Err(error),
            Err(_) => {
                let context = "too few replicas know of it, and it could not be given back";
                Err(Error::new(ErrorKind::OutcomeUnknown, context).with_source(error))
            }
        }
    }
}

impl<C> Replicas<C> {
    fn new(connection: C, wanted: usize, timeout: Duration, by_slot: bool) -> Self {
        Self { connection, wanted, timeout, by_slot, lanes: Mutex::default() }
    }
}

impl<C> Replicas<C>
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    /// How many replicas know of the lock that this claim holds: none if it does not.
    async fn count(self: &Arc<Self>, keys: &Keys<'_>, claim: &Claim) -> Result<usize> {
        let mut look = redis::Cmd::new();
        match claim.mode() {
            Mode::Exclusive | Mode::Fair | Mode::Write => look.arg("GET").arg(&keys.lock),
            Mode::Read => look.arg("HGET").arg(keys.part("tokens")).arg(claim.owner().to_string()),
        };
        let owner = super::exclusive::prefix(*claim.owner());
        let (answer, answered) = oneshot::channel();
        let lane = if self.by_slot { keys.bucket() } else { 0 };
        let question = Question { look, owner, mark: keys.mark(), answer };
        let idle = {
            let mut lanes = self.lanes.lock();
            let idle = !lanes.contains_key(&lane);
            lanes.entry(lane).or_default().push(question);
            idle
        };
        if idle {
            // A task of its own: whoever began may go away while others wait for the same answer.
            tokio::spawn(Lane { replicas: Arc::clone(self), number: lane, finished: false }.serve());
        }
        let gone = |_| Error::new(ErrorKind::OutcomeUnknown, "the runtime that asked the replicas has ended");
        Ok(answered.await.map_err(gone)??)
    }

    async fn ask(&self, mut batch: Vec<Question>) {
        let mut pipeline = redis::Pipeline::with_capacity(batch.len() + 2);
        for question in &mut batch {
            pipeline.add_command(std::mem::replace(&mut question.look, redis::Cmd::new()));
        }
        let Some(mark) = batch.first_mut().map(|question| take(&mut question.mark)) else { return };
        pipeline.cmd("SET").arg(mark).arg(1).arg("PX").arg(millis(MARK_LIVES));
        pipeline.cmd("WAIT").arg(self.wanted).arg(millis(self.timeout));
        let replies: Result<Vec<Value>, _> = pipeline.query_async(&mut self.connection.clone()).await;
        let outcome = replies.map_err(RedisError::from).map(|replies| {
            let count =
                replies.last().and_then(|reply| if let Value::Int(count) = reply { Some(*count) } else { None });
            (count.and_then(|count| usize::try_from(count).ok()).unwrap_or(0), replies)
        });
        for (number, question) in batch.into_iter().enumerate() {
            let answer = match &outcome {
                Ok((count, replies)) => Ok(if question.sees_itself(replies.get(number)) { *count } else { 0 }),
                Err(error) => Err(error.clone()),
            };
            // Whoever has gone away does not care.
            let _ = question.answer.send(answer);
        }
    }
}

/// The task that asks for all who wait in one lane.
struct Lane<C> {
    replicas: Arc<Replicas<C>>,
    number: u64,
    finished: bool,
}

impl<C> Lane<C>
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    /// Asks until nobody of this lane waits.
    async fn serve(mut self) {
        while let Some(batch) = self.next() {
            self.replicas.ask(batch).await;
        }
    }

    fn next(&mut self) -> Option<Vec<Question>> {
        let mut lanes = self.replicas.lanes.lock();
        let waiting = lanes.get_mut(&self.number).filter(|waiting| !waiting.is_empty());
        let Some(waiting) = waiting else {
            lanes.remove(&self.number);
            self.finished = true;
            return None;
        };
        let rest = waiting.split_off(waiting.len().min(BATCH));
        Some(std::mem::replace(waiting, rest))
    }
}

impl<C> Drop for Lane<C> {
    fn drop(&mut self) {
        if !self.finished {
            // The runtime went down. Nobody may wait for what nobody asks, now or later.
            let left = self.replicas.lanes.lock().remove(&self.number);
            drop(left);
        }
    }
}

impl Question {
    fn sees_itself(&self, reply: Option<&Value>) -> bool {
        match reply {
            // The lock itself, or the token of a reader.
            Some(Value::BulkString(text)) => text.starts_with(&self.owner) || !text.contains(&b':'),
            _ => false,
        }
    }
}
