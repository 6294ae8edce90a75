//! What users see: expressions, tables, prices, proofs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![allow(clippy::needless_pass_by_value, reason = "`json!` values read best where they are used")]

mod bounds;
mod cache;
mod common;
mod convert;
mod expressions;
mod fuzzed;
mod hostile;
mod pricing;
mod proofs;
mod properties;
mod stacking;
mod tables;
