//! A rule set as it is written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::money::{Currency, Rounding};
use crate::table::TableDef;
use crate::text::Source;
use crate::types::Type;

/// The largest document that is read.
pub(crate) const MAX_BYTES: usize = 32 * 1024 * 1024;

/// A rule set before it is checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RuleSetDef {
    /// Its name.
    pub name: String,
    /// The currency of all prices.
    pub currency: Currency,
    /// How each step rounds to the smallest unit of the currency, unless a rule says otherwise.
    #[serde(default)]
    pub rounding: Rounding,
    /// What rules may know about the purchase.
    #[serde(default)]
    pub facts: BTreeMap<String, FactDef>,
    /// What rules may know about each line, besides `line.id`, `line.price`, `line.quantity` and `line.total`:
    /// a fact `category` is `line.category` in expressions.
    #[serde(default)]
    pub line_facts: BTreeMap<String, FactDef>,
    /// The date-time fact that the rules' `from` and `until` are compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<String>,
    /// Rules do not take the total below this amount, which may depend on everything but `basket.total`. A list price that is below it already stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<Source>,
    /// Rules do not take the total above this amount. A list price that is above it already stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Source>,
    /// Decision tables. Their outputs are facts for rules and for other tables: `table.output`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<TableDef>,
    /// What follows what.
    pub phases: Vec<PhaseDef>,
    /// The rules, in any order.
    #[serde(default)]
    pub rules: Vec<RuleDef>,
    /// Purchases and what they have to cost. A set that fails them is not taken into service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<TestDef>,
}

/// A fact: its type, or its type and what holds where it is not given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FactDef {
    /// It has to be given.
    Required(Type),
    /// It may be left out.
    WithDefault(DefaultFact),
}

/// A fact with a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DefaultFact {
    /// Its type.
    #[serde(rename = "type")]
    pub ty: Type,
    /// What holds where it is not given, in the form of JSON facts.
    pub default: serde_json::Value,
}

/// A phase. All rules of a phase see the same `basket.total`: what the phases before left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PhaseDef {
    /// Its name.
    pub id: String,
    /// Its groups. Each works on the prices that the one before left.
    pub groups: Vec<GroupDef>,
}

/// Rules that are weighed against one another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GroupDef {
    /// Its name, unique in the set.
    pub id: String,
    /// What happens when several of its rules apply.
    #[serde(default)]
    pub stacking: Stacking,
    /// The most that the group may take off, for `cap`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
}

/// What happens when several rules of a group apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stacking {
    /// The one that is cheapest for the customer; of equal ones the first in order.
    #[default]
    Best,
    /// The first in order.
    First,
    /// The first in order, and only where no other group of the phase does anything: the groups before have changed no
    /// price, and those after it are skipped.
    Exclusive,
    /// All, each computed on the prices that the group found.
    Accumulate,
    /// All, as for `accumulate`, and together not more than the group's `limit`.
    Cap,
}

/// The most that a group may take off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// An amount.
    Amount(Source),
    /// A percentage of what the group found.
    Percent(Source),
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RuleDef {
    /// Its name, unique in the set.
    pub id: String,
    /// Its group.
    pub group: String,
    /// Its place in the group, from the least; unique there.
    pub order: i64,
    /// Whether it counts.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub enabled: bool,
    /// From when on it holds, inclusive: `2026-11-11T00:00:00+08:00`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Until when it holds, exclusive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The condition; always if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Source>,
    /// The condition on the lines that it concerns; all lines if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<Source>,
    /// What it does.
    pub then: Action,
    /// How it rounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounding: Option<Rounding>,
    /// What customers and auditors read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_yes(it: &bool) -> bool {
    *it
}

/// What a rule does to the prices of the lines that it concerns. Amounts and percentages are expressions over the facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Takes off a percentage, 0 to 100, of their sum.
    PercentOff(Source),
    /// Takes off an amount, at most their sum, divided in proportion to their prices.
    AmountOff(Source),
    /// Takes off an amount for each unit, at most the unit's price.
    AmountOffEach(Source),
    /// Sets the price of each unit, downwards or upwards.
    PriceEach(Source),
    /// Adds a percentage of their sum.
    PercentOn(Source),
    /// Adds an amount, divided in proportion to their prices.
    AmountOn(Source),
    /// Of every `buy` + `get` units the cheapest `get` are reduced.
    BuyGet(BuyGet),
    /// What the highest step does whose threshold is reached.
    Tiers(Tiers),
    /// Units that together have a price of their own.
    Bundle(Bundle),
}

/// Buy some, get more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BuyGet {
    /// So many are paid for,
    pub buy: u32,
    /// so many more are reduced
    pub get: u32,
    /// by this percentage; 100, free, if it is left out.
    #[serde(default = "hundred")]
    pub percent: Source,
}

fn hundred() -> Source {
    "100".into()
}

/// Steps by sum or quantity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Tiers {
    /// What the thresholds are compared with.
    pub by: TierBy,
    /// The steps, with rising thresholds.
    pub steps: Vec<TierStep>,
}

/// What thresholds are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TierBy {
    /// The sum of the lines' prices.
    Amount,
    /// The number of their units.
    Quantity,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TierStep {
    /// The threshold, a constant.
    pub from: Source,
    /// What it does; neither tiers nor bundles again.
    pub then: Box<Action>,
}

/// Units with a price of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Bundle {
    /// What belongs to one bundle. A unit counts for one part only, and parts take theirs in this order.
    pub parts: Vec<BundlePart>,
    /// The price of one bundle.
    pub price: Source,
}

/// One part of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BundlePart {
    /// The lines that it may be taken from.
    pub lines: Source,
    /// How many units.
    pub quantity: u32,
}

/// A purchase, and what it has to cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TestDef {
    /// Its name.
    pub name: String,
    /// The facts.
    #[serde(default)]
    pub facts: serde_json::Value,
    /// The lines.
    pub lines: Vec<TestLine>,
    /// What it has to cost, `88.00 CNY`.
    pub total: crate::money::Money,
    /// The rules that have to change the price, if it matters, in any order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fired: Option<Vec<String>>,
}

/// A line of a test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TestLine {
    /// Its name.
    pub id: String,
    /// The price of a unit.
    pub price: crate::money::Money,
    /// How many.
    #[serde(default = "one")]
    pub quantity: u32,
    /// Its facts.
    #[serde(default)]
    pub facts: serde_json::Value,
}

const fn one() -> u32 {
    1
}

impl RuleSetDef {
    /// Reads JSON.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] with line and column of what cannot be read; [`ErrorKind::TooLarge`].
    pub fn from_json(text: &str) -> Result<Self> {
        short_enough(text)?;
        let mut reader = serde_json::Deserializer::from_str(text);
        let read = serde_path_to_error::deserialize(&mut reader);
        let def = read.map_err(|error| Error::new(ErrorKind::Invalid, format!("rules in JSON: {error}")))?;
        reader.end().map_err(|error| Error::new(ErrorKind::Invalid, format!("rules in JSON: {error}")))?;
        Ok(def)
    }

    /// Reads YAML.
    ///
    /// # Errors
    ///
    /// As [`from_json`](Self::from_json).
    #[cfg(feature = "yaml")]
    pub fn from_yaml(text: &str) -> Result<Self> {
        short_enough(text)?;
        serde_saphyr::from_str(text).map_err(|error| Error::new(ErrorKind::Invalid, format!("rules in YAML: {error}")))
    }

    /// The one form in which equal definitions are equal bytes; the version of a set is its hash.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`], which is out of reach: everything in it can be written.
    pub fn to_json(&self) -> Result<String> {
        let invalid = |error| Error::new(ErrorKind::Invalid, "a definition").with_source(error);
        let mut text = String::new();
        canonical(&serde_json::to_value(self).map_err(invalid)?, &mut text);
        Ok(text)
    }
}

/// JSON without spaces, keys in their order: whether a map keeps that or another order is a feature of `serde_json` that any
/// crate of the program may turn on.
fn canonical(json: &serde_json::Value, text: &mut String) {
    use serde_json::Value as Json;
    let mut first = true;
    let mut comma = |text: &mut String| {
        if !std::mem::take(&mut first) {
            text.push(',');
        }
    };
    match json {
        Json::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| key.as_str());
            text.push('{');
            for (key, value) in entries {
                comma(text);
                text.push_str(&Json::from(key.as_str()).to_string());
                text.push(':');
                canonical(value, text);
            }
            text.push('}');
        }
        Json::Array(items) => {
            text.push('[');
            for item in items {
                comma(text);
                canonical(item, text);
            }
            text.push(']');
        }
        other => text.push_str(&other.to_string()),
    }
}

pub(crate) fn short_enough(text: &str) -> Result<()> {
    if text.len() > MAX_BYTES {
        return Err(Error::new(ErrorKind::TooLarge, format!("a document of more than {MAX_BYTES} bytes")));
    }
    Ok(())
}
