//! The conformance suite: every bullet of the contracts of [`SharedStore`], [`InvalidationChannel`] and, where
//! offered, [`BloomStore`](crate::BloomStore) as a test, for any
//! backend.
//!
//! ```
//! # fn main() {}
//! use nebula_cache::testing::Fixture;
//! use nebula_cache::{MemoryShared, conformance_suite};
//!
//! #[derive(Debug)]
//! struct Memory(MemoryShared);
//!
//! impl Fixture for Memory {
//!     type Shared = MemoryShared;
//!
//!     async fn start() -> Self {
//!         Self(MemoryShared::new())
//!     }
//!
//!     fn shared(&self) -> MemoryShared {
//!         self.0.clone()
//!     }
//! }
//!
//! conformance_suite!(Memory);
//! ```

pub mod bloom;
pub mod channel;
#[cfg(feature = "rate-limit")]
#[cfg_attr(docsrs, doc(cfg(feature = "rate-limit")))]
pub mod rate_limit;
pub mod store;

use std::fmt;
use std::time::Duration;

use crate::channel::InvalidationChannel;
use crate::store::SharedStore;

/// A time that does not pass during a test.
const LONG: Duration = Duration::from_secs(600);

/// A time that is soon over.
const SHORT: Duration = Duration::from_millis(50);

/// How long anything may take on a busy machine before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Brings one backend to the suite.
pub trait Fixture: fmt::Debug + Send + Sync + Sized + 'static {
    /// The backend.
    type Shared: SharedStore + InvalidationChannel + Clone;

    /// Starts, or connects to, a backend in which nothing is stored and which no other test uses.
    fn start() -> impl Future<Output = Self> + Send;

    /// The backend. Several calls see the same values and the same log.
    fn shared(&self) -> Self::Shared;
}

/// Defines one `#[tokio::test]` for each part of the contracts, run with the given [`Fixture`]. With `bloom:` before it, for
/// those of [`BloomStore`](crate::BloomStore).
#[macro_export]
macro_rules! conformance_suite {
    ($fixture:ty) => {
        $crate::conformance_suite!(@tests $fixture, store:
            the_last_value_is_found_until_its_time_is_over, many_are_found_in_order, a_touched_value_stays,
            one_loader_at_a_time, a_lease_ends_by_time, a_lease_is_renewed_and_never_brought_back,
            a_lease_ends_by_fill_evict_and_put, abandon_keeps_others_out, fill_stores_what_nothing_has_overtaken,
            fill_needs_the_lease, evict_removes_what_it_names, any_bytes_are_keys_and_values,
            caches_do_not_meet, it_is_alive);
        $crate::conformance_suite!(@tests $fixture, channel:
            places_follow_each_other, since_returns_what_was_missed, since_knows_what_it_does_not_know,
            concurrent_batches_have_one_order, listeners_hear_what_follows, versions_are_those_of_the_last_batch);
    };
    (bloom: $fixture:ty) => {
        $crate::conformance_suite!(@tests $fixture, bloom:
            what_is_built_can_be_read, insertions_go_to_both_generations, shards_are_parts_of_one_filter,
            insertions_count_what_is_new,
            insertions_into_other_generations_are_refused, since_returns_what_was_inserted,
            a_log_that_lost_its_end_is_noticed, long_ago_is_forgotten, one_builder_at_a_time,
            nothing_incomplete_becomes_current);
    };
    (@tests $fixture:ty, $part:ident: $($test:ident),+ $(,)?) => {
        mod $part {
            #[allow(unused_imports, reason = "the fixture may be named by a path")]
            use super::*;
            $(
                #[tokio::test]
                async fn $test() {
                    $crate::testing::$part::$test::<$fixture>().await;
                }
            )+
        }
    };
}
