//! A quorum of independent nodes.

mod acquire;
mod config;
mod gather;
mod keep;
mod look;
mod names;
mod node;
mod round;
mod sweep;
mod token;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::hash::fnv1a;
use crate::key::LockKey;
use crate::lock::{Attempt, Claim, DistributedLock, Holder, Mode};
use crate::validity::valid_until;
use crate::watch::Watch;
pub(crate) use config::RedlockSection;
pub use node::QuorumNode;

use names::Names;
use node::Node;

/// As many keys share one first node as share one fence counter on a Redis node, so that a token proposed by the first
/// node is nearly always greater than what the others have seen.
const BUCKETS: u64 = 1024;

/// How long to wait for one node, unless something else is set.
const NODE_TIMEOUT: Duration = Duration::from_millis(200);

/// Locks on a majority of several independent nodes: the Redlock algorithm (Antirez, 2014), with fence tokens.
///
/// A lock is held while a majority of the nodes says so; the others may be down, cut off, frozen or empty. With fewer
/// nodes than a majority every operation is an error, never "held by somebody else". The nodes must share nothing: no
/// replication between them, and not one machine.
///
/// ```
/// use nebula_lock::{LockManager, MemoryLock, Redlock};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// // In an application: `RedisLock`s, or `provider: redlock` in the configuration.
/// let nodes = [MemoryLock::new(), MemoryLock::new(), MemoryLock::new()];
/// let locks = LockManager::new(Redlock::new(nodes)?);
/// let guard = locks.lock("seat:1").await?;
/// assert!(locks.try_lock("seat:1").await?.is_none());
/// # guard.release().await;
/// # Ok::<_, nebula_lock::Error>(())
/// # }).unwrap();
/// ```
///
/// # How it works
///
/// - **One node first.** Each key has a first node, which all contenders ask before the others, so that one of them finds
///   the others free: votes are not split. The first node is released last. If it does not answer, the next one is first.
///   A claim that the first node alone refuses looks at the others: one node never decides.
/// - **Time.** The clock of an attempt starts before its first command. What is left of the lease, less 1 % + 2 ms for
///   clocks that differ, has to be more than [`with_min_validity`](Self::with_min_validity); otherwise everything is given
///   back.
/// - **Clean-up on all nodes.** Whatever fails is released on every node that has, or may have, granted it; where that
///   fails, in the background until the lease has ended. The same owner may try again over its own remains.
/// - **Fence tokens.** The token is written to a majority of the nodes before the lock is handed out. Two majorities share
///   a node, so that tokens strictly increase whichever nodes are up. The first node proposes it; where the others have given out
///   greater ones, that takes one more round trip. Of readers that come at the same time, each bids until a majority of the nodes
///   has given one token to it alone, so no two have the same.
/// - **Renewal.** A majority has to confirm the hold. Then, and only within the renewed lease, nodes that have lost it
///   (restarted empty, or down when it was taken) are asked to take it again. A renewal never deletes anything.
///
/// # What it does not do
///
/// - [`Mode::Fair`] is refused with [`ErrorKind::Unsupported`]: every node would have an order of arrival of its own.
///   Exclusive, read and write claims work, and with them reentrant, multi-key and segmented locks.
/// - A node that **restarts empty** has forgotten its holds and can grant them to others. A lock that all nodes have granted
///   bears as many such restarts as nodes may be missing (two of five); one that a bare majority has granted, because the
///   others were down, bears none until a renewal has repaired it. To be sure in every case, keep a restarted node out until
///   the longest lease has passed (start it with a delay), or let it sync every write (`appendonly yes`,
///   `appendfsync always`).
/// - **Tokens** are as safe as that: a later majority knows the newest one from a node that kept its data. If all such nodes
///   have forgotten it, tokens still increase as far as the clocks of the nodes agree, since a new one is at least the
///   microseconds of the clock of the node that was asked first.
/// - Nodes whose **clocks run at different speeds** by more than 1 % can let a lock go before its holder thinks so. The fence
///   is for that, and for holders that are suspended.
#[derive(Clone)]
pub struct Redlock {
    nodes: Arc<[Arc<Node>]>,
    node_timeout: Duration,
    min_validity: Duration,
    names: Arc<Names>,
    /// The longest lease asked for, in milliseconds: how long remains of a claim can last.
    longest: Arc<AtomicU64>,
}

impl Redlock {
    /// A quorum of `nodes`, whose number should be odd: four nodes bear the loss of one, as three do.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ConfigInvalid`] without any node.
    pub fn new<N: QuorumNode>(nodes: impl IntoIterator<Item = N>) -> Result<Self> {
        let nodes: Arc<[_]> =
            nodes.into_iter().enumerate().map(|(number, lock)| Arc::new(Node::new(number, Arc::new(lock)))).collect();
        if nodes.is_empty() {
            return Err(Error::new(ErrorKind::ConfigInvalid, "a quorum needs nodes, three or more"));
        }
        Ok(Self {
            nodes,
            node_timeout: NODE_TIMEOUT,
            min_validity: Duration::ZERO,
            names: Arc::default(),
            longest: Arc::default(),
        })
    }

    /// Sets how long to wait for the reply of one node: 200 ms by default, and never more than a quarter of the lease.
    #[must_use]
    pub fn with_node_timeout(mut self, timeout: Duration) -> Self {
        self.node_timeout = timeout.max(Duration::from_millis(1));
        self
    }

    /// Sets how much of a lease has to be left when the lock is handed out; nothing by default. A lease of which so much cannot be
    /// left, less the margin for drift, is refused with [`ErrorKind::InvalidLease`].
    #[must_use]
    pub fn with_min_validity(mut self, validity: Duration) -> Self {
        self.min_validity = validity;
        self
    }

    /// How many nodes there are.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// How many of them have to agree.
    #[must_use]
    pub fn majority(&self) -> usize {
        self.nodes.len() / 2 + 1
    }

    /// How many may fail.
    fn spare(&self) -> usize {
        self.nodes.len() - self.majority()
    }

    /// The numbers of the nodes in the order in which everybody asks them; those that are suspected to be down last.
    fn order(&self, key: &LockKey) -> Vec<usize> {
        let count = self.nodes.len();
        let bucket = fnv1a(key.as_str().as_bytes()) % BUCKETS;
        let first = usize::try_from(bucket).unwrap_or_default() % count;
        let mut order: Vec<usize> = (0..count).map(|place| (first + place) % count).collect();
        order.sort_by_key(|number| self.nodes[*number].is_suspected());
        order
    }

    fn limit(&self, lease: Duration) -> Duration {
        self.node_timeout.min(lease / 4).max(Duration::from_millis(1))
    }

    /// Refuses a lease of which never enough is left.
    pub(crate) fn check(&self, lease: Duration) -> Result<()> {
        let sent = Instant::now();
        if valid_until(sent, lease) - sent > self.min_validity {
            return Ok(());
        }
        let (lease, least) = (humantime::format_duration(lease), humantime::format_duration(self.min_validity));
        let context =
            format!("of a lease of {lease}, less the margin for drift, there is never more than {least} left");
        Err(Error::new(ErrorKind::InvalidLease, context))
    }

    fn note_lease(&self, lease: Duration) {
        self.longest.fetch_max(u64::try_from(lease.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The failure of a majority, which `errors` say more about.
    fn broken(&self, what: &'static str, errors: Vec<Error>) -> Error {
        failed(what, errors, self.nodes.len())
    }
}

/// What the failure of a majority of `total` nodes amounts to.
fn failed(what: &'static str, errors: Vec<Error>, total: usize) -> Error {
    let kind = match errors.first().map(Error::kind) {
        // What every node says, the quorum says as well: bad credentials, or no memory.
        Some(kind) if errors.iter().all(|error| error.kind() == kind) => kind,
        _ if errors.iter().any(|error| error.kind() == ErrorKind::OutcomeUnknown) => ErrorKind::OutcomeUnknown,
        _ => ErrorKind::Unavailable,
    };
    let error = Error::new(kind, format!("{what}: {} of {total} nodes failed", errors.len()));
    match errors.into_iter().next() {
        Some(first) => error.with_source(first),
        None => error,
    }
}

#[async_trait]
impl DistributedLock for Redlock {
    async fn try_acquire(&self, claim: &Claim, lease: Duration) -> Result<Attempt> {
        if claim.mode() == Mode::Fair {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "fair locks need one order of arrival, and every node of a quorum would have its own",
            ));
        }
        self.note_lease(lease);
        self.acquire(claim, lease).await
    }

    async fn renew(&self, claim: &Claim, lease: Duration) -> Result<bool> {
        self.note_lease(lease);
        self.names.keep(claim, lease);
        self.extend(&self.names.of(claim), lease).await
    }

    async fn release(&self, claim: &Claim) -> Result<bool> {
        self.give_back(claim).await
    }

    async fn watch(&self, claim: &Claim) -> Result<Watch> {
        self.listen(claim).await
    }

    async fn inspect(&self, key: &LockKey) -> Result<Option<Holder>> {
        self.look(key).await
    }

    async fn ping(&self) -> Result<()> {
        self.any_majority().await
    }
}

impl fmt::Debug for Redlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redlock")
            .field("nodes", &self.nodes)
            .field("node_timeout", &self.node_timeout)
            .finish_non_exhaustive()
    }
}
