//! Rule sets.

mod action;
mod basket;
mod bounds;
mod compile;
mod def;
mod explain;
mod group;
mod price;
mod proof;
mod reads;
mod shadow;
mod trace;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::action::Act;
pub use self::basket::{Basket, Line};
pub use self::bounds::{BoundCheck, BoundsProof, CounterExample};
#[cfg(feature = "reload")]
pub(crate) use self::def::MAX_BYTES;
pub(crate) use self::def::short_enough;
pub use self::def::{
    Action, Bundle, BundlePart, BuyGet, DefaultFact, FactDef, GroupDef, Limit, PhaseDef, RuleDef, RuleSetDef, Stacking,
    TestDef, TestLine, TierBy, TierStep, Tiers,
};
pub use self::proof::{PriceProof, ProofLine};
pub(crate) use self::reads::Reads;
pub use self::shadow::{Changed, Shadow};
pub use self::trace::{Detail, PassedOver, Priced, PricedLine, Step, TableRows, Trace};
use crate::domain::Domain;
use crate::error::Problem;
use crate::expr::Expression;
use crate::index::Index;
use crate::money::{Currency, Rounding};
use crate::schema::Schema;
use crate::table::DecisionTable;

/// The identity of a rule set: a hash over everything that it says.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(Arc<str>);

impl Version {
    /// The SHA-256 of the definition in hexadecimal.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Rules that have been checked and compiled: prices from facts and baskets.
///
/// It is immutable and shared between threads; pricing takes no lock, reads no clock and changes nothing, so that the same
/// facts and the same [`Version`] always give the same price.
#[derive(Clone, Debug)]
pub struct RuleSet {
    def: RuleSetDef,
    version: Version,
    /// What callers give.
    schema: Arc<Schema>,
    /// That, `basket.*` and the outputs of tables.
    inner: Arc<Schema>,
    line_facts: Arc<Schema>,
    tables: Vec<Derived>,
    phases: Vec<Phase>,
    rules: Vec<Rule>,
    floor: Option<Expression>,
    cap: Option<Expression>,
    reads: Reads,
    warnings: Vec<Problem>,
}

/// A table whose outputs are facts.
#[derive(Clone, Debug)]
struct Derived {
    table: DecisionTable,
    /// Where its outputs go.
    places: Vec<usize>,
    /// Whether it depends on what phases change.
    every_phase: bool,
}

#[derive(Clone, Debug)]
struct Phase {
    id: Arc<str>,
    groups: Vec<Group>,
    rules: Range<usize>,
    /// Over the rules of the phase.
    index: Index,
}

#[derive(Clone, Debug)]
struct Group {
    id: Arc<str>,
    stacking: Stacking,
    limit: Option<Most>,
    rules: Range<usize>,
}

#[derive(Clone, Debug)]
enum Most {
    Amount(Expression),
    Percent(Expression),
}

#[derive(Clone, Debug)]
struct Rule {
    id: Arc<str>,
    /// What the index tests, by fact.
    wants: Vec<(usize, Domain)>,
    /// Of these, what turned out to be too large for it.
    scan: Vec<(usize, Domain)>,
    /// What it does not.
    rest: Vec<Expression>,
    lines: Option<Expression>,
    act: Act,
    rounding: Rounding,
}

impl RuleSet {
    /// The definition that it was compiled from.
    #[must_use]
    pub const fn definition(&self) -> &RuleSetDef {
        &self.def
    }

    /// Its version.
    #[must_use]
    pub const fn version(&self) -> &Version {
        &self.version
    }

    /// The facts that it asks for.
    #[must_use]
    pub const fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The currency of all prices.
    #[must_use]
    pub const fn currency(&self) -> Currency {
        self.def.currency
    }

    pub(crate) const fn line_schema(&self) -> &Arc<Schema> {
        &self.line_facts
    }

    /// Whether the fact at `place` of the inner schema is not the same in all phases.
    fn varies(&self, place: usize) -> bool {
        place == self.total_place()
            || self.tables.iter().any(|derived| derived.every_phase && derived.places.contains(&place))
    }

    pub(crate) const fn reads(&self) -> &Reads {
        &self.reads
    }

    /// What looks wrong but does not keep the set from working.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }
}
