//! Group commit: acquisitions and releases that are under way at the same time share script calls.
//!
//! No delay is added. While as many batches as may be are under way, further operations gather for the next one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nebula_redis::ErrorKind as Redis;
use parking_lot::Mutex;
use redis::Value;
use redis::aio::ConnectionLike;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::yield_now;

use super::keys::Names;
use super::scripts::BULK;
use crate::error::{Error, ErrorKind, Result};

/// Operations that one script call carries at most. It keeps the server from others for about this many microseconds.
const MOST: usize = 128;

/// While one batch is executed, others travel there and back.
const BATCHES: usize = 4;

/// The operations of all clones of one backend.
#[derive(Debug)]
pub(super) struct Group {
    /// Operations go one by one while not more than this many are under way.
    above: usize,
    under_way: AtomicUsize,
    /// The server is a cluster, where the keys of one script have to be in one slot.
    impossible: AtomicBool,
    gathered: Mutex<Gathered>,
}

#[derive(Debug, Default)]
struct Gathered {
    operations: VecDeque<Waiting>,
    workers: usize,
}

/// One operation. Its caller is told what the server replied to it; nothing, if it has to go alone.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) kind: Kind,
    pub(super) names: Names,
    pub(super) owner: [u8; 33],
}

#[derive(Debug)]
pub(super) enum Kind {
    Release,
    /// With the lease in milliseconds.
    Acquire(u64),
}

pub(super) type Answer = oneshot::Receiver<Option<Result<Value>>>;

#[derive(Debug)]
struct Waiting {
    operation: Operation,
    reply: oneshot::Sender<Option<Result<Value>>>,
}

/// Counts an operation until it is dropped.
pub(super) struct UnderWay<'a> {
    group: &'a Group,
    before: usize,
}

impl Group {
    pub(super) fn new(above: usize) -> Self {
        Self { above, under_way: AtomicUsize::new(0), impossible: AtomicBool::new(false), gathered: Mutex::default() }
    }

    pub(super) fn enter(&self) -> UnderWay<'_> {
        UnderWay { group: self, before: self.under_way.fetch_add(1, Ordering::Relaxed) }
    }

    /// How many operations go one by one.
    pub(super) fn above(&self) -> usize {
        self.above
    }

    /// Adds an operation to the next batch. `None`: nobody could send it.
    pub(super) fn add<C>(self: &Arc<Self>, operation: Operation, connection: &C) -> Option<Answer>
    where
        C: ConnectionLike + Clone + Send + Sync + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let mut gathered = self.gathered.lock();
        let runtime = if gathered.workers < BATCHES { Handle::try_current().ok() } else { None };
        if runtime.is_none() && gathered.workers == 0 {
            return None;
        }
        gathered.operations.push_back(Waiting { operation, reply });
        if let Some(runtime) = runtime {
            gathered.workers += 1;
            let worker = Worker { group: Arc::clone(self), finished: false };
            drop(gathered);
            runtime.spawn(worker.run(connection.clone()));
        }
        Some(answer)
    }

    /// The next batch; `None`, and one worker less, if nothing has gathered.
    fn next(&self) -> Option<Batch> {
        let mut gathered = self.gathered.lock();
        let mut batch = Batch::default();
        while batch.len() < MOST
            && let Some(waiting) = gathered.operations.pop_front()
        {
            match waiting.operation.kind {
                // Its caller has given up before it was sent, and cleans up after it: it must not come later than that.
                Kind::Acquire(_) if waiting.reply.is_closed() => {}
                Kind::Acquire(_) => batch.acquisitions.push(waiting),
                // Releases go first in a batch: this one would overtake what it is to take back.
                Kind::Release if batch.acquires(&waiting.operation) => {
                    gathered.operations.push_front(waiting);
                    break;
                }
                Kind::Release => batch.releases.push(waiting),
            }
        }
        if batch.len() == 0 {
            gathered.workers -= 1;
            return None;
        }
        Some(batch)
    }
}

impl UnderWay<'_> {
    /// Whether enough others are under way for sharing a call to pay.
    pub(super) fn shares(&self) -> bool {
        self.before >= self.group.above && !self.group.impossible.load(Ordering::Relaxed)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.group.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Sends batches until nothing gathers any more. No caller's fate ends it.
struct Worker {
    group: Arc<Group>,
    finished: bool,
}

impl Worker {
    async fn run<C>(mut self, mut connection: C)
    where
        C: ConnectionLike + Clone + Send + Sync + 'static,
    {
        loop {
            // Whoever is ready to run may have something to add.
            yield_now().await;
            let Some(batch) = self.group.next() else {
                self.finished = true;
                return;
            };
            let reply = batch.send(&mut connection).await;
            if matches!(&reply, Err(error) if error.kind() == Redis::ClusterRedirect) {
                self.group.impossible.store(true, Ordering::Relaxed);
            }
            batch.tell(reply);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        // The runtime went down. Nobody may wait for what nobody sends.
        let mut gathered = self.group.gathered.lock();
        gathered.workers -= 1;
        let left = if gathered.workers == 0 { std::mem::take(&mut gathered.operations) } else { VecDeque::new() };
        drop(gathered);
        drop(left);
    }
}

#[derive(Debug, Default)]
struct Batch {
    releases: Vec<Waiting>,
    acquisitions: Vec<Waiting>,
}

impl Batch {
    fn len(&self) -> usize {
        self.releases.len() + self.acquisitions.len()
    }

    fn acquires(&self, release: &Operation) -> bool {
        let mut acquisitions = self.acquisitions.iter().map(|waiting| &waiting.operation);
        acquisitions
            .any(|acquisition| acquisition.owner == release.owner && acquisition.names.lock() == release.names.lock())
    }

    async fn send(&self, connection: &mut (impl ConnectionLike + Send)) -> nebula_redis::Result<Vec<Value>> {
        let operations = || self.releases.iter().chain(&self.acquisitions).map(|waiting| &waiting.operation);
        let leases = self.leases();
        let (releases, acquisitions) = (self.releases.len().to_string(), self.acquisitions.len().to_string());
        let mut arguments: Vec<&[u8]> = Vec::with_capacity(self.len() + leases.len() + 2);
        let (first, own) = leases.split_first().map_or((&[][..], &[][..]), |(first, own)| (first.as_bytes(), own));
        arguments.extend([releases.as_bytes(), acquisitions.as_bytes(), first]);
        arguments.extend(operations().map(|operation| &operation.owner[..]));
        arguments.extend(own.iter().map(String::as_bytes));
        let mut keys: Vec<&[u8]> = Vec::with_capacity(self.len() + self.acquisitions.len());
        keys.extend(operations().map(|operation| operation.names.lock().as_bytes()));
        let fences = self.acquisitions.iter().filter_map(|waiting| waiting.operation.names.fence());
        keys.extend(fences.map(str::as_bytes));
        BULK.run(&keys, &arguments, connection).await
    }

    /// The one lease of all acquisitions, or a nought and the lease of each.
    fn leases(&self) -> Vec<String> {
        let each = || {
            self.acquisitions.iter().filter_map(|waiting| match waiting.operation.kind {
                Kind::Acquire(lease) => Some(lease),
                Kind::Release => None,
            })
        };
        let first = each().next().unwrap_or(0);
        let own = each().any(|lease| lease != first);
        let shared = if own { 0 } else { first };
        [shared].into_iter().chain(each().filter(|_| own)).map(|lease| lease.to_string()).collect()
    }

    /// Tells every caller what became of its operation.
    fn tell(self, reply: nebula_redis::Result<Vec<Value>>) {
        let count = self.len();
        let operations = self.releases.into_iter().chain(self.acquisitions);
        match reply {
            Ok(replies) if replies.len() == count => {
                for (operation, reply) in operations.zip(replies) {
                    drop(operation.reply.send(Some(single(reply))));
                }
            }
            Ok(_) => operations.for_each(|operation| {
                let error = Error::new(ErrorKind::OutcomeUnknown, "not as many replies as operations in a batch");
                drop(operation.reply.send(Some(Err(error))));
            }),
            // Refused before anything was executed.
            Err(error) if error.kind() == Redis::ClusterRedirect => {
                operations.for_each(|operation| drop(operation.reply.send(None)));
            }
            Err(error) => operations.for_each(|operation| drop(operation.reply.send(Some(Err(failed(&error)))))),
        }
    }
}

/// The reply to one operation of a batch.
fn single(reply: Value) -> Result<Value> {
    let Value::Array(error) = &reply else { return Ok(reply) };
    let text = match error.first() {
        Some(Value::BulkString(text)) => String::from_utf8_lossy(text).into_owned(),
        _ => String::from("an error without a text"),
    };
    // As a reply of its own would have been sorted.
    let (code, detail) = text.split_once(' ').unwrap_or((text.as_str(), ""));
    let (kind, context) = match code.trim_start_matches('-') {
        "WRONGTYPE" => (ErrorKind::WrongType, "the key holds something that is not a lock"),
        "OOM" => (ErrorKind::OutOfMemory, "redis has reached its memory limit"),
        "READONLY" | "MISCONF" | "NOREPLICAS" => (ErrorKind::ReadOnly, "redis takes no writes"),
        "NOPERM" => (ErrorKind::Auth, "redis forbids this user the command, the key or the channel"),
        _ => (ErrorKind::Backend, "redis refused"),
    };
    Err(Error::new(kind, context).with_source(format!("{code} {detail}")))
}

/// What an error of a whole batch means for each of its operations.
fn failed(error: &nebula_redis::Error) -> Error {
    match error.kind() {
        // Certainly not executed.
        Redis::Unavailable | Redis::AuthFailed | Redis::ReadOnly | Redis::OutOfMemory | Redis::Closed => {
            Error::from(error.clone())
        }
        _ => Error::new(ErrorKind::OutcomeUnknown, "the batch failed").with_source(error.clone()),
    }
}
