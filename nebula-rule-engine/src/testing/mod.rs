//! The conformance suite for stores of coupons, and what fuzzers call.
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

use std::fmt;

use crate::coupon::CouponStore;

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
