//! What is priced.

use std::collections::BTreeMap;

use crate::facts::FactValue;
use crate::money::Money;
use crate::value::Value;

/// The lines of a purchase.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Basket {
    lines: Vec<Line>,
}

/// One line: some units of one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub(crate) id: String,
    pub(crate) price: Money,
    pub(crate) quantity: u32,
    pub(crate) facts: BTreeMap<String, Value>,
    /// Facts as JSON, from files and proofs; they are read under the schema of the rules.
    pub(crate) json: serde_json::Value,
}

impl Basket {
    /// A basket of these lines.
    pub fn new(lines: impl IntoIterator<Item = Line>) -> Self {
        Self { lines: lines.into_iter().collect() }
    }

    /// The lines.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }
}

impl Line {
    /// `quantity` units at `price` each.
    #[must_use]
    pub fn new(id: impl Into<String>, price: Money, quantity: u32) -> Self {
        Self { id: id.into(), price, quantity, facts: BTreeMap::new(), json: serde_json::Value::Null }
    }

    /// With the fact `name`, by its name without `line.`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl FactValue) -> Self {
        self.facts.insert(name.to_owned(), value.into_value());
        self
    }

    /// With facts from a JSON object, in the form of [`Schema::facts_from_json`](crate::Schema::facts_from_json).
    #[must_use]
    pub fn with_json(mut self, facts: serde_json::Value) -> Self {
        self.json = facts;
        self
    }
}
