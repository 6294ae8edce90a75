//! A decision table as it is written.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, ErrorKind, Result};
use crate::text::Source;
use crate::types::Type;

/// A decision table before it is checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TableDef {
    /// Its name, one word.
    pub id: String,
    /// What holds when several rows apply.
    #[serde(default)]
    pub hit_policy: HitPolicy,
    /// What is tested.
    pub inputs: Vec<InputDef>,
    /// What comes out.
    pub outputs: Vec<OutputDef>,
    /// The rows, from the top.
    pub rows: Vec<RowDef>,
}

/// A column that is tested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct InputDef {
    /// What is tested: most often the name of a fact.
    pub expression: Source,
    /// A name for messages; the expression if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A column of results.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OutputDef {
    /// Its name, one word.
    pub name: String,
    /// The type of its cells.
    #[serde(rename = "type")]
    pub ty: Type,
    /// What comes out when no row applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Source>,
    /// Its values from the highest priority to the lowest, for the hit policies `priority` and `output-order`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub priorities: Vec<Source>,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RowDef {
    /// A name for traces; `row 1` and so on if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// One test for each input: `>= 3`, `[1..5]`, `'GOLD', 'VIP'`, a condition on `$`; nothing or `-` lets everything through.
    pub when: Vec<Source>,
    /// One expression for each output.
    pub then: Vec<Source>,
}

/// What holds when several rows apply: the hit policies of DMN. In files, the words below or DMN's letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HitPolicy {
    /// `unique`, U: at most one row may apply.
    Unique,
    /// `any`, A: several may apply if they say the same.
    Any,
    /// `priority`, P: the row with the output of the highest priority.
    Priority,
    /// `first`, F: the topmost row.
    #[default]
    First,
    /// `rule-order`, R: all, from the top.
    RuleOrder,
    /// `output-order`, O: all, by falling priority of their outputs.
    OutputOrder,
    /// `collect`, C: all; the order says nothing, and is that of the rows here.
    Collect,
    /// `sum`, C+: the sum of the outputs; zero if no row applies.
    Sum,
    /// `min`, C<: the least output.
    Min,
    /// `max`, C>: the greatest output.
    Max,
    /// `count`, C#: how many rows apply.
    Count,
}

const NAMES: [(HitPolicy, &str, &str); 11] = [
    (HitPolicy::Unique, "unique", "U"),
    (HitPolicy::Any, "any", "A"),
    (HitPolicy::Priority, "priority", "P"),
    (HitPolicy::First, "first", "F"),
    (HitPolicy::RuleOrder, "rule-order", "R"),
    (HitPolicy::OutputOrder, "output-order", "O"),
    (HitPolicy::Collect, "collect", "C"),
    (HitPolicy::Sum, "sum", "C+"),
    (HitPolicy::Min, "min", "C<"),
    (HitPolicy::Max, "max", "C>"),
    (HitPolicy::Count, "count", "C#"),
];

impl HitPolicy {
    /// Whether one row decides.
    #[must_use]
    pub const fn is_single(self) -> bool {
        matches!(self, Self::Unique | Self::Any | Self::Priority | Self::First)
    }

    /// Whether the outputs become one number or value.
    #[must_use]
    pub const fn is_aggregate(self) -> bool {
        matches!(self, Self::Sum | Self::Min | Self::Max | Self::Count)
    }
}

impl fmt::Display for HitPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        NAMES.iter().find(|(policy, ..)| policy == self).map_or(Ok(()), |(_, name, _)| f.write_str(name))
    }
}

impl FromStr for HitPolicy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = NAMES.iter().find(|(_, name, letter)| text == *name || text == *letter);
        found
            .map(|(policy, ..)| *policy)
            .ok_or_else(|| Error::new(ErrorKind::Invalid, format!("`{text}` is no hit policy")))
    }
}

impl Serialize for HitPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HitPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
