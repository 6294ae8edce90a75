//! Decision tables.

mod analyse;
mod compile;
mod convert;
#[cfg(feature = "csv")]
mod csv;
mod decide;
mod def;
mod jdm;

use std::fmt;
use std::sync::Arc;

pub(crate) use self::compile::Problems;
pub(crate) use self::decide::Found;
pub use self::def::{HitPolicy, InputDef, OutputDef, RowDef, TableDef};
use crate::budget::Meter;
use crate::error::{Problem, Result};
use crate::expr::{Expr, Expression, same_schema};
use crate::facts::Facts;
use crate::index::Index;
use crate::schema::Schema;
use crate::types::Type;
use crate::value::{Val, Value};

/// A decision table that has been checked and compiled.
///
/// Tests of one value against constants are answered by an index; only what is more than that is interpreted, and only
/// for the rows that the index lets through. It is immutable and shared between threads.
///
/// ```
/// use nebula_rule_engine::{Budget, DecisionTable, Schema, TableDef, Type, Value};
///
/// let schema = Schema::builder().fact("level", Type::one_of(["BASIC", "VIP"])).fact("seats", Type::Int).build()?;
/// let table: TableDef = serde_json::from_value(serde_json::json!({
///     "id": "fee", "hit-policy": "first",
///     "inputs": [{ "expression": "level" }, { "expression": "seats" }],
///     "outputs": [{ "name": "rate", "type": "decimal" }],
///     "rows": [
///         { "when": ["'VIP'", ""], "then": [0] },
///         { "when": ["", ">= 4"], "then": ["2.5"] },
///         { "when": ["", ""], "then": [5] },
///     ],
/// })).unwrap();
/// let table = DecisionTable::compile(&table, &schema)?;
///
/// let facts = schema.facts().set("level", "BASIC").set("seats", 4).build()?;
/// let decision = table.decide(&facts, &mut Budget::default().start())?;
/// assert_eq!((decision.rows(), decision.value("rate")), (&[1][..], Some(&Value::Decimal("2.5".parse().unwrap()))));
/// # Ok::<_, nebula_rule_engine::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct DecisionTable {
    def: TableDef,
    schema: Arc<Schema>,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
    index: Index,
    /// For each row the cells that the index does not answer.
    rest: Vec<Vec<(usize, Expression)>>,
    /// Row by row.
    cells: Vec<Vec<Expression>>,
    warnings: Vec<Problem>,
    complete: bool,
    /// Whether all inputs are plain facts.
    plain: bool,
}

#[derive(Clone, Debug)]
struct Input {
    name: String,
    expression: Expression,
    /// The position of the fact, where the column tests a plain fact.
    fact: Option<usize>,
}

#[derive(Clone, Debug)]
struct Output {
    name: Arc<str>,
    ty: Type,
    default: Option<Expression>,
    priorities: Vec<Val>,
}

/// What a table says about some facts.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    names: Arc<[Arc<str>]>,
    rows: Vec<usize>,
    result: DecisionResult,
}

/// The outputs of a [`Decision`].
#[derive(Clone, Debug, PartialEq)]
pub enum DecisionResult {
    /// No row applies, and there is no default.
    Nothing,
    /// One value for each output.
    One(Vec<Value>),
    /// One value for each output, for each row that applies.
    Many(Vec<Vec<Value>>),
    /// The sum, least, greatest or number.
    Aggregate(Value),
}

impl Decision {
    /// The rows that apply and count: from 0, in the order that the hit policy gives them.
    #[must_use]
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// The outputs.
    #[must_use]
    pub const fn result(&self) -> &DecisionResult {
        &self.result
    }

    /// The value of the output `name`, where one row decides or the outputs were aggregated.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        let place = self.names.iter().position(|known| known.as_ref() == name)?;
        match &self.result {
            DecisionResult::One(values) => values.get(place),
            DecisionResult::Aggregate(value) => Some(value),
            DecisionResult::Nothing | DecisionResult::Many(_) => None,
        }
    }
}

/// A row that one test alone held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearRow {
    /// The row, from 0.
    pub row: usize,
    /// The input that held it back.
    pub input: String,
    /// What the row wants there, and what was found.
    pub reason: String,
}

impl fmt::Display for NearRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}: {}", self.row + 1, self.reason)
    }
}

impl DecisionTable {
    /// The definition that it was compiled from.
    #[must_use]
    pub const fn definition(&self) -> &TableDef {
        &self.def
    }

    /// What looks wrong but does not keep the table from working: rows that are never reached, facts for which no row
    /// applies.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// Whether it is proven that some row applies to all facts, or that every output has a default.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Decides.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::HitPolicy`](crate::ErrorKind::HitPolicy) if several rows apply under `unique`, or disagree under `any`;
    /// those of the expressions in cells; those of the budget; [`ErrorKind::BadFact`](crate::ErrorKind::BadFact) for facts
    /// of another schema.
    pub fn decide(&self, facts: &Facts, meter: &mut Meter) -> Result<Decision> {
        same_schema(&self.schema, facts)?;
        let (rows, found) = self.run(facts.values(), meter)?;
        Ok(Decision {
            names: self.outputs.iter().map(|output| Arc::clone(&output.name)).collect(),
            rows,
            result: self.show(found),
        })
    }

    /// Puts the rows that apply into `rows`, whatever the hit policy says, from the top. Nothing is allocated once `rows`
    /// has room for them.
    ///
    /// # Errors
    ///
    /// As [`decide`](Self::decide), without those of the hit policy.
    pub fn applying(&self, facts: &Facts, meter: &mut Meter, rows: &mut Vec<usize>) -> Result<()> {
        same_schema(&self.schema, facts)?;
        rows.clear();
        self.matching(facts.values(), meter, |row| {
            rows.push(row);
            true
        })
    }

    /// The rows that one test alone held back, from the top.
    ///
    /// # Errors
    ///
    /// As [`applying`](Self::applying).
    pub fn near_misses(&self, facts: &Facts, meter: &mut Meter) -> Result<Vec<NearRow>> {
        same_schema(&self.schema, facts)?;
        self.near(facts.values(), meter)
    }

    /// The positions of the facts that it may read.
    pub(crate) fn read_places(&self) -> Vec<usize> {
        let mut places: Vec<usize> = self
            .inputs
            .iter()
            .map(|input| &input.expression)
            .chain(self.rest.iter().flatten().map(|(_, cell)| cell))
            .chain(self.cells.iter().flatten())
            .chain(self.outputs.iter().filter_map(|output| output.default.as_ref()))
            .flat_map(|expression| expression.read_places().iter().copied())
            .collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    /// For each output what it can be: its cells and its default.
    pub(crate) fn output_cells(&self) -> impl Iterator<Item = impl Iterator<Item = &Expression>> {
        self.outputs.iter().enumerate().map(|(place, output)| {
            self.cells.iter().filter_map(move |cells| cells.get(place)).chain(output.default.as_ref())
        })
    }

    /// For each plain fact that it tests, one value of each stretch that its rows tell apart.
    pub(crate) fn samples(&self) -> impl Iterator<Item = (usize, Vec<Val>)> {
        let words = self.index.rows().div_ceil(64);
        self.index.columns().iter().filter_map(move |(number, column)| {
            let input = self.inputs.get(*number)?;
            let values = column.stretches(input.expression.ty(), words).into_iter().map(|it| it.value);
            Some((input.fact?, values.collect()))
        })
    }

    pub(crate) const fn policy(&self) -> HitPolicy {
        self.def.hit_policy
    }

    /// Rows in messages.
    pub(crate) fn row_name(&self, row: usize) -> String {
        match self.def.rows.get(row).and_then(|row| row.id.as_ref()) {
            Some(id) => format!("`{id}`"),
            None => format!("row {}", row + 1),
        }
    }
}
