#![doc = include_str!("../README.md")]
//!
//! # The way through the crate
//!
//! A [`RuleSetDef`] or [`TableDef`] is what people write. [`RuleSet::compile`] and [`DecisionTable::compile`] check it against its
//! [`Schema`], lower every expression and build the index; what they return is immutable. [`RuleEngine`] holds the set in force.
//! [`Facts`] and a [`Basket`] go in, [`Priced`] with its [`Trace`] comes out, or a [`PriceProof`]. [`Budget`] and [`Meter`] bound
//! each of these, and [`Error`] names what went wrong with the [`Problem`]s and their places. [`RuleSet::prove_bounds`] looks at all
//! purchases at once.
//!
//! # Telemetry
//!
//! | Name | Kind | Labels | Meaning |
//! |---|---|---|---|
//! | `nebula_rules_reloads_total` | counter | `outcome`: `in-force`, `refused`, `failed` | rules that a `RuleKeeper` found new |
//!
//! Each of them is an event of `tracing` as well, with the version or the reason.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod budget;
mod cache;
#[cfg(feature = "reload")]
mod config;
#[cfg(feature = "coupons")]
mod coupon;
#[cfg(feature = "dmn")]
mod dmn;
mod domain;
mod engine;
mod error;
mod expr;
mod facts;
mod index;
mod money;
mod number;
mod recorder;
mod rule_facts;
mod schema;
mod set;
#[cfg(feature = "reload")]
mod source;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
#[cfg_attr(docsrs, doc(cfg(feature = "sql")))]
pub mod sql;
mod table;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
mod text;
mod types;
mod value;

pub use crate::budget::{Budget, Meter};
#[cfg(feature = "reload")]
#[cfg_attr(docsrs, doc(cfg(feature = "reload")))]
pub use crate::config::RuleEngineConfig;
#[cfg(feature = "dmn")]
#[cfg_attr(docsrs, doc(cfg(feature = "dmn")))]
pub use crate::dmn::{DmnDecision, DmnModel, DmnOutcome, DmnTests};
pub use crate::engine::{OnBounds, OnBudget, Published, RuleEngine};
pub use crate::error::{Error, ErrorKind, Problem, Result, RuleError, Severity};
pub use crate::expr::{Expr, Expression};
pub use crate::facts::{FactValue, Facts, FactsBuilder};
pub use crate::money::{Currency, Money, Rounding, allocate};
pub use crate::recorder::Recorder;
pub use crate::rule_facts::{FactType, RuleFacts};
pub use crate::schema::{Field, Schema, SchemaBuilder};
pub use crate::set::{
    Action, Basket, BoundCheck, BoundsProof, Bundle, BundlePart, BuyGet, Changed, CounterExample, DefaultFact, Detail,
    FactDef, GroupDef, Limit, Line, PassedOver, PhaseDef, PriceProof, Priced, PricedLine, ProofLine, RuleDef, RuleSet,
    RuleSetDef, Shadow, Stacking, Step, TableRows, TestDef, TestLine, TierBy, TierStep, Tiers, Trace, Version,
};
#[cfg(feature = "reload")]
#[cfg_attr(docsrs, doc(cfg(feature = "reload")))]
pub use crate::source::{
    Document, FileSource, Format, Loaded, MemorySource, Overlay, Reload, RuleKeeper, RuleSource, RuleStatus, RuleWatch,
    TenantRules,
};
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub use crate::source::{HttpSource, HttpSourceBuilder};
pub use crate::table::{
    Decision, DecisionResult, DecisionTable, HitPolicy, InputDef, NearRow, OutputDef, RowDef, TableDef,
};
pub use crate::text::Source;
pub use crate::types::Type;
pub use crate::value::{Moment, Value};
#[cfg(feature = "macros")]
#[cfg_attr(docsrs, doc(cfg(feature = "macros")))]
pub use nebula_macros::RuleFacts;
pub use rust_decimal;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub use sqlx;

/// Coupons: templates, claims within limits, redemption once, return on refund.
#[cfg(feature = "coupons")]
#[cfg_attr(docsrs, doc(cfg(feature = "coupons")))]
pub mod coupons {
    pub use crate::coupon::{
        Claim, ClaimRefusal, Coupon, CouponStore, CouponTemplate, Coupons, GiveBack, MemoryCoupons, Redeem,
        RedeemRefusal, RedeemedAll,
    };
}
