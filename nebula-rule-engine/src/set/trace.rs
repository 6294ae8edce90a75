//! What came out, and why.

use serde::{Deserialize, Serialize};

use super::Version;
use crate::money::Money;

/// How much of the way to a price is written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Detail {
    /// Only the prices.
    Off,
    /// What changed the price, with its arithmetic.
    #[default]
    Fired,
    /// That, and what did not change it and nearly did.
    Full,
}

/// A price, and how it came about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Priced {
    /// The version of the rules.
    pub version: Version,
    /// What the lines cost before any rule.
    pub subtotal: Money,
    /// What they cost.
    pub total: Money,
    /// The lines, as in the basket. Their prices add up to the total exactly.
    pub lines: Vec<PricedLine>,
    /// How it came about.
    pub trace: Trace,
}

/// What a line costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PricedLine {
    /// The line.
    pub id: String,
    /// All its units before any rule.
    pub list: Money,
    /// All its units.
    pub price: Money,
}

/// How a price came about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Trace {
    /// The rows of tables that gave facts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<TableRows>,
    /// What changed the price, in order.
    pub steps: Vec<Step>,
    /// Rules whose conditions held and that still did nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_over: Vec<PassedOver>,
    /// Rules that one condition alone held back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near_misses: Vec<PassedOver>,
}

/// Rows of a table that applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TableRows {
    /// The phase in which it was asked.
    pub phase: String,
    /// The table.
    pub table: String,
    /// Its rows, from 0.
    pub rows: Vec<usize>,
}

/// One change of the price.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Step {
    /// The phase; empty for floor and cap.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub phase: String,
    /// The group; empty for floor and cap.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The rule, or `floor` or `cap`.
    pub rule: String,
    /// The total before.
    pub before: Money,
    /// The change.
    pub change: Money,
    /// The total after.
    pub after: Money,
    /// How the change was computed.
    pub arithmetic: String,
    /// The change of each line, by its place in the basket; they add up to the change exactly.
    pub lines: Vec<(usize, Money)>,
}

/// A rule that did nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PassedOver {
    /// The rule.
    pub rule: String,
    /// Why.
    pub reason: String,
}

impl Priced {
    /// The rules that changed the price, in order.
    #[must_use]
    pub fn fired(&self) -> Vec<&str> {
        self.trace.steps.iter().map(|step| step.rule.as_str()).collect()
    }
}
