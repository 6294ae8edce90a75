//! What a quorum needs of a node beyond what every backend does.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, timeout};

use crate::error::{Error, ErrorKind, Result};
use crate::fence::Fence;
use crate::lock::{Attempt, Claim, DistributedLock};
use crate::telemetry;

/// How long a node that did not answer is asked last.
const SUSPICION: Duration = Duration::from_secs(1);

/// A backend that can be one of the nodes of a [`Redlock`](crate::Redlock): it can take over a fence token that others
/// have given out.
///
/// # Contract
///
/// Besides that of [`DistributedLock`], and tested by `conformance_suite!(quorum: …)`:
///
/// - `settled_tokens_stay_and_later_ones_are_greater`: `settle` makes a token the token of a hold, and all tokens that the
///   node gives out for the key afterwards are greater, also when the hold had ended before.
/// - `contested_tokens_go_to_one_hold`: `try_settle` makes a token the token of a hold only if it is greater than all before, or
///   the hold has it already. So no two holds of the key ever get one token from it.
/// - `proposals_never_lower_a_token`: `try_acquire_at` is `try_acquire` in every respect. The token of a new hold is the
///   proposed one, or another one; in any case it is greater than all before.
#[async_trait]
pub trait QuorumNode: DistributedLock {
    /// As [`try_acquire`](DistributedLock::try_acquire), with a proposal for the token of a new hold. A node may ignore it;
    /// one that takes it saves its quorum a round of messages.
    ///
    /// # Errors
    ///
    /// As `try_acquire`.
    async fn try_acquire_at(&self, claim: &Claim, lease: Duration, fence: Fence) -> Result<Attempt> {
        let _ = fence;
        self.try_acquire(claim, lease).await
    }

    /// Makes `fence` the token of the claim's hold, and all later ones greater. `false`: the claim does not hold here;
    /// later tokens are greater nevertheless.
    ///
    /// # Errors
    ///
    /// When the node could not say.
    async fn settle(&self, claim: &Claim, fence: Fence) -> Result<bool>;

    /// Makes `fence` the token of the claim's hold if it is greater than every token that the node has given out or settled
    /// for the key. If it is not, the hold gets a new token that is. Returns the token that the hold has then; `None`: the claim
    /// does not hold here, and nothing was changed.
    ///
    /// # Errors
    ///
    /// When the node could not say.
    async fn try_settle(&self, claim: &Claim, fence: Fence) -> Result<Option<Fence>>;
}

macro_rules! forward {
    ($pointer:ty) => {
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<L: QuorumNode + ?Sized> QuorumNode for $pointer {
            async fn try_acquire_at(&self, claim: &Claim, lease: Duration, fence: Fence) -> Result<Attempt> {
                (**self).try_acquire_at(claim, lease, fence).await
            }

            async fn settle(&self, claim: &Claim, fence: Fence) -> Result<bool> {
                (**self).settle(claim, fence).await
            }

            async fn try_settle(&self, claim: &Claim, fence: Fence) -> Result<Option<Fence>> {
                (**self).try_settle(claim, fence).await
            }
        }
    };
}

forward!(Arc<L>);
forward!(Box<L>);

/// A node, and what is thought of it.
pub(super) struct Node {
    pub(super) number: usize,
    pub(super) lock: Arc<dyn QuorumNode>,
    /// Milliseconds from `since` until which it is suspected to be down.
    suspected: AtomicU64,
    since: Instant,
}

impl Node {
    pub(super) fn new(number: usize, lock: Arc<dyn QuorumNode>) -> Self {
        Self { number, lock, suspected: AtomicU64::new(0), since: Instant::now() }
    }

    /// Waits for a reply, but not longer than `limit`.
    pub(super) async fn ask<T>(&self, limit: Duration, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let reply = timeout(limit, call).await.unwrap_or_else(|_| {
            let context = format!("no reply within {}", humantime::format_duration(limit));
            Err(Error::new(ErrorKind::OutcomeUnknown, context))
        });
        match &reply {
            Ok(_) => self.suspected.store(0, Ordering::Relaxed),
            Err(error) => {
                telemetry::node_failed(self.number);
                tracing::debug!(node = self.number, %error, "a node failed");
                if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::OutcomeUnknown) {
                    self.suspect();
                }
            }
        }
        reply
    }

    /// Asks it last, and does not wait for it when others have answered, until it replies or some time has passed.
    pub(super) fn suspect(&self) {
        let until = (self.since.elapsed() + SUSPICION).as_millis();
        self.suspected.store(u64::try_from(until).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn is_suspected(&self) -> bool {
        u128::from(self.suspected.load(Ordering::Relaxed)) > self.since.elapsed().as_millis()
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("lock", &self.lock).field("suspected", &self.is_suspected()).finish()
    }
}
