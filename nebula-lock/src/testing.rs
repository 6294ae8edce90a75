//! The conformance suite: every bullet of [`DistributedLock`]'s contract as a test, for any backend.
//!
//! ```
//! # fn main() {}
//! use nebula_lock::testing::Fixture;
//! use nebula_lock::{MemoryLock, conformance_suite};
//!
//! #[derive(Debug)]
//! struct Memory(MemoryLock);
//!
//! impl Fixture for Memory {
//!     type Lock = MemoryLock;
//!
//!     async fn start() -> Self {
//!         Self(MemoryLock::new())
//!     }
//!
//!     fn lock(&self) -> MemoryLock {
//!         self.0.clone()
//!     }
//!
//!     async fn stored(&self) -> usize {
//!         self.0.keys()
//!     }
//! }
//!
//! conformance_suite!(Memory);
//! ```

pub mod contract;
pub mod handle;
pub mod kinds;
pub mod quorum;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::entropy;
use crate::key::LockKey;
use crate::lock::{Claim, DistributedLock, Mode};
use crate::owner::Owner;

/// A lease that does not end during a test.
const LONG: Duration = Duration::from_secs(600);

/// How long anything may take on a busy machine before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes what this thread draws at random from now on, owners and the jitter of pauses, follow from `seed`, for
/// simulations on a paused current-thread runtime that can be repeated; `None` gives chance back. Owners that follow from
/// a seed are no secret: for tests alone.
pub fn seed(seed: Option<u64>) {
    entropy::seeded::set(seed);
}

/// Brings one backend to the suite.
pub trait Fixture: fmt::Debug + Send + Sync + Sized + 'static {
    /// The backend.
    type Lock: DistributedLock + Clone;

    /// What the backend offers. It has to refuse everything else with
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported). Only [`Mode::Fair`] may be left out.
    const MODES: &'static [Mode] = &[Mode::Exclusive, Mode::Fair, Mode::Read, Mode::Write];

    /// The modes in which a release hands the lock over to whoever is next in line; see [`Place`](crate::Place).
    const HANDS_OVER: &'static [Mode] = &[];

    /// A lease that ends soon. A backend that refuses leases which are used up by slow replies needs a longer one.
    const SHORT: Duration = Duration::from_millis(60);

    /// Starts, or connects to, a backend in which no lock is held and which no other test uses.
    fn start() -> impl Future<Output = Self> + Send;

    /// The backend. Several calls see the same locks.
    fn lock(&self) -> Self::Lock;

    /// How many entries are stored for locks and waiting callers, except for those whose number does not grow with the
    /// number of locks.
    fn stored(&self) -> impl Future<Output = usize> + Send;
}

/// Defines one `#[tokio::test]` for each part of the contract, run with the given [`Fixture`]. With `quorum:` before the
/// fixture, for each part of what [`QuorumNode`](crate::QuorumNode) asks for beyond that.
#[macro_export]
macro_rules! conformance_suite {
    (quorum: $fixture:ty) => {
        $crate::conformance_suite!(@tests $fixture, quorum:
            settled_tokens_stay_and_later_ones_are_greater, contested_tokens_go_to_one_hold, proposals_never_lower_a_token);
    };
    ($fixture:ty) => {
        $crate::conformance_suite!(@tests $fixture, contract:
            exclusion, busy_says_when_to_look_again, same_owner_keeps_its_hold, lease_expires, renew_extends_own_hold,
            renew_never_resurrects, release_frees, release_of_others_is_refused, fences_increase, watch_wakes,
            inspect_tells_the_holder, nothing_is_left);
        $crate::conformance_suite!(@tests $fixture, kinds:
            kinds_exclude_each_other, fair_claims_get_it_in_order, dead_waiters_are_passed_over, handed_over_locks_hold, readers_share,
            waiting_writer_bars_readers, writer_may_turn_reader, readers_and_writers_at_work, fair_turns_at_work);
        $crate::conformance_suite!(@tests $fixture, handle:
            ping_answers, release_tells_the_outcome, dropped_guard_releases, waiting_callers_get_it_in_turn,
            expired_lock_passes_to_a_waiting_caller, renewed_beyond_its_lease, stolen_lock_is_noticed,
            cancelled_acquisitions_leave_nothing, several_locks_are_all_or_none, segments_are_shared_out, owners_get_in_again,
            thousand_tasks_on_one_key);
    };
    (@tests $fixture:ty, $module:ident: $($name:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $crate::testing::$module::$name::<$fixture>().await.expect("the backend answers");
            }
        )*
    };
}

fn claim(key: &str) -> Claim {
    #[expect(clippy::expect_used, reason = "the keys of this suite are valid")]
    Claim::new(LockKey::new(key).expect("a valid key"), Owner::random())
}

/// What a lock stored goes, in a moment: a watch that was dropped still has its subscription ended for it.
async fn nothing_stays(fixture: &impl Fixture) {
    eventually("the store is empty", async || (fixture.stored().await == 0).then_some(())).await;
}

/// Repeats `attempt` until it yields a value.
async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut attempt: impl FnMut() -> F) -> T {
    let repeated = async {
        loop {
            match attempt().await {
                Some(value) => return value,
                None => sleep(Duration::from_millis(5)).await,
            }
        }
    };
    #[expect(clippy::panic, reason = "a test helper fails by panicking")]
    timeout(PATIENCE, repeated).await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}
