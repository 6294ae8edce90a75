//! The conformance suites for stores of coupons and sources of rules, and what fuzzers call.
//!
//! ```
//! # fn main() {}
//! use nebula_rule_engine::coupons::MemoryCoupons;
//! use nebula_rule_engine::{coupon_conformance_suite, testing::CouponFixture};
//!
//! #[derive(Debug)]
//! struct Memory(MemoryCoupons);
//!
//! impl CouponFixture for Memory {
//!     type Store = MemoryCoupons;
//!
//!     async fn start() -> Self {
//!         Self(MemoryCoupons::new())
//!     }
//!
//!     fn store(&self) -> MemoryCoupons {
//!         self.0.clone()
//!     }
//! }
//!
//! coupon_conformance_suite!(Memory);
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    missing_docs,
    reason = "these functions are tests, told apart by their names: they fail by panicking"
)]

pub mod coupons;
pub mod fuzz;
pub mod sources;

use std::fmt;

use crate::coupon::CouponStore;
use crate::source::RuleSource;

/// Brings one store of coupons to the suite.
pub trait CouponFixture: fmt::Debug + Send + Sync + Sized + 'static {
    /// The store.
    type Store: CouponStore + Clone;

    /// Starts, or connects to, a store that nobody else uses.
    fn start() -> impl Future<Output = Self> + Send;

    /// The store. Several calls see the same coupons.
    fn store(&self) -> Self::Store;
}

/// Defines one `#[tokio::test]` for each part of the contract of
/// [`CouponStore`](crate::coupons::CouponStore), run with the given [`CouponFixture`](crate::testing::CouponFixture).
#[macro_export]
macro_rules! coupon_conformance_suite {
    ($fixture:ty) => {
        $crate::coupon_conformance_suite!(@tests $fixture:
            templates_are_kept_and_changed, claims_keep_to_the_total, claims_keep_to_the_limit_of_a_holder,
            many_claims_at_once_keep_to_the_total, many_claims_of_one_holder_keep_to_the_limit,
            a_claim_by_the_same_name_counts_once, the_same_claim_at_once_counts_once, windows_hold_for_claims,
            issuing_keeps_to_the_total_alone, windows_and_lifetimes_hold_for_redemption, a_coupon_is_redeemed_once,
            of_many_orders_at_once_one_gets_the_coupon, nobody_redeems_the_coupon_of_another,
            a_returned_coupon_is_usable_by_other_orders, late_calls_of_a_refunded_order_change_nothing,
            coupons_are_listed_from_the_oldest, names_are_bytes, bad_names_are_refused);
    };
    (@tests $fixture:ty: $($name:ident),*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let fixture = <$fixture as $crate::testing::CouponFixture>::start().await;
                $crate::testing::coupons::$name(&$crate::testing::CouponFixture::store(&fixture)).await;
            }
        )*
    };
}

/// Brings one source of rules to the suite.
pub trait SourceFixture: fmt::Debug + Send + Sync + Sized + 'static {
    /// The source.
    type Source: RuleSource;

    /// Starts, or connects to, a place for one document that nobody else uses.
    fn start() -> impl Future<Output = Self> + Send;

    /// The source that reads it.
    fn source(&self) -> Self::Source;

    /// Puts a document there, in JSON.
    fn put(&self, text: String) -> impl Future<Output = ()> + Send;

    /// Puts a document of more than 32 MiB there.
    fn put_too_much(&self) -> impl Future<Output = ()> + Send {
        self.put("x".repeat((32 << 20) + 1))
    }

    /// Takes the document away. For sources that always have one this is never called.
    fn remove(&self) -> impl Future<Output = ()> + Send {
        async { unreachable!("the suite was told that this source can be without a document") }
    }
}

/// Defines one `#[tokio::test]` for each part of the contract of [`RuleSource`](crate::RuleSource), run with the given
/// [`SourceFixture`](crate::testing::SourceFixture). Behind the fixture stands what not every source has:
/// `what_is_not_there_is_not_found` for those that can be without a document, `what_is_too_large_is_refused` for those in
/// which there is room for it, and `news_wakes_who_waits_and_who_comes_later` for those that hear of changes.
///
/// ```
/// # fn main() {}
/// use nebula_rule_engine::{Format, MemorySource, rule_source_conformance_suite, testing::SourceFixture};
///
/// #[derive(Debug)]
/// struct Memory(MemorySource);
///
/// impl SourceFixture for Memory {
///     type Source = MemorySource;
///
///     async fn start() -> Self {
///         Self(MemorySource::new("{}", Format::Json))
///     }
///
///     fn source(&self) -> MemorySource {
///         self.0.clone()
///     }
///
///     async fn put(&self, text: String) {
///         self.0.set(text, Format::Json);
///     }
/// }
///
/// rule_source_conformance_suite!(Memory: what_is_too_large_is_refused, news_wakes_who_waits_and_who_comes_later);
/// ```
#[macro_export]
macro_rules! rule_source_conformance_suite {
    ($fixture:ty: $($more:ident),*) => {
        $crate::rule_source_conformance_suite!(@tests $fixture:
            documents_are_told_apart_by_their_tags, a_known_tag_is_answered_with_nothing_or_the_same,
            dropped_calls_leave_nothing_behind $(, $more)*);
    };
    (@tests $fixture:ty: $($name:ident),*) => {
        $(
            #[tokio::test]
            async fn $name() {
                let fixture = <$fixture as $crate::testing::SourceFixture>::start().await;
                $crate::testing::sources::$name(&fixture).await;
            }
        )*
    };
}
