#![doc = include_str!("../README.md")]
//!
//! # The way through the crate
//!
//! A [`RuleSetDef`] or [`TableDef`] is what people write. [`RuleSet::compile`] and [`DecisionTable::compile`] check it against its
//! [`Schema`], lower every expression and build the index; what they return is immutable. [`RuleEngine`] holds the set in force.
//! [`Facts`] and a [`Basket`] go in, [`Priced`] with its [`Trace`] comes out, or a [`PriceProof`]. [`Budget`] and [`Meter`] bound
//! each of these, and [`Error`] names what went wrong with the [`Problem`]s and their places.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod budget;
mod domain;
mod engine;
mod error;
mod expr;
mod facts;
mod index;
mod money;
mod number;
mod schema;
mod set;
mod table;
mod text;
mod types;
mod value;

pub use crate::budget::{Budget, Meter};
pub use crate::engine::{OnBudget, Published, RuleEngine};
pub use crate::error::{Error, ErrorKind, Problem, Result, RuleError, Severity};
pub use crate::expr::{Expr, Expression};
pub use crate::facts::{FactValue, Facts, FactsBuilder};
pub use crate::money::{Currency, Money, Rounding, allocate};
pub use crate::schema::{Field, Schema, SchemaBuilder};
pub use crate::set::{
    Action, Basket, Bundle, BundlePart, BuyGet, Changed, DefaultFact, Detail, FactDef, GroupDef, Limit, Line,
    PassedOver, PhaseDef, PriceProof, Priced, PricedLine, ProofLine, RuleDef, RuleSet, RuleSetDef, Shadow, Stacking,
    Step, TableRows, TestDef, TestLine, TierBy, TierStep, Tiers, Trace, Version,
};
pub use crate::table::{
    Decision, DecisionResult, DecisionTable, HitPolicy, InputDef, NearRow, OutputDef, RowDef, TableDef,
};
pub use crate::text::Source;
pub use crate::types::Type;
pub use crate::value::{Moment, Value};
pub use rust_decimal;
