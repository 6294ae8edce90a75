//! Decision tables from DMN, and test cases in the form of its technology compatibility kit.

mod feel;
mod tck;
mod xml;

use std::collections::BTreeMap;
use std::sync::Arc;

use roxmltree::Node;

pub use self::tck::{DmnOutcome, DmnTests};
use self::xml::{child, children, text};
use crate::error::{Error, ErrorKind, Problem, Result};
use crate::schema::Schema;
use crate::set::short_enough;
use crate::table::{DecisionTable, HitPolicy, InputDef, OutputDef, RowDef, TableDef};
use crate::types::Type;

/// The decision tables of a DMN document.
///
/// What is read: tables whose inputs are the names of input data of the types `string`, `number` and `boolean` (also by way
/// of item definitions), or of components of it (`Applicant.Age`); cells with literals, comparisons, ranges, lists of these and `not(…)`; outputs with literals; all
/// hit policies with their aggregations, output values and default outputs. Everything else of a document is listed as
/// [`unsupported`](Self::unsupported), with its place; nothing of it is guessed.
///
/// DMN's names may have spaces. Facts are named by words: `Applicant Age` is `Applicant_Age`.
#[derive(Clone, Debug)]
pub struct DmnModel {
    decisions: Vec<DmnDecision>,
    unsupported: Vec<Problem>,
}

/// One decision table, and the facts that it asks for.
#[derive(Clone, Debug)]
pub struct DmnDecision {
    name: String,
    table: TableDef,
    schema: Arc<Schema>,
    /// DMN's names of the inputs, in the order of the schema.
    inputs: Vec<String>,
}

impl DmnModel {
    /// Reads a document of any version of DMN from 1.1 to 1.5.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for what is no XML or no DMN; [`ErrorKind::TooLarge`].
    pub fn parse(xml: &str) -> Result<Self> {
        short_enough(xml)?;
        let document = xml::parse(xml)?;
        let root = document.root_element();
        if root.tag_name().name() != "definitions" {
            return Err(bad("the root element is not `definitions`"));
        }
        let types = Types::read(root);
        let mut model = Self { decisions: Vec::new(), unsupported: Vec::new() };
        for decision in children(root, "decision") {
            let name = decision.attribute("name").unwrap_or_default().to_owned();
            let read = match child(decision, "decisionTable") {
                Some(table) => self::decision(&name, table, &types),
                None => Err("its logic is no decision table".to_owned()),
            };
            match read {
                Ok(decision) => model.decisions.push(decision),
                Err(message) => model.unsupported.push(Problem::error(name, message)),
            }
        }
        Ok(model)
    }

    /// The tables that could be read.
    #[must_use]
    pub fn decisions(&self) -> &[DmnDecision] {
        &self.decisions
    }

    /// The decisions that could not, and why.
    #[must_use]
    pub fn unsupported(&self) -> &[Problem] {
        &self.unsupported
    }
}

impl DmnDecision {
    /// DMN's name of the decision.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The table.
    #[must_use]
    pub const fn table(&self) -> &TableDef {
        &self.table
    }

    /// The facts that it asks for.
    #[must_use]
    pub const fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// Checks and compiles it.
    ///
    /// # Errors
    ///
    /// As [`DecisionTable::compile`].
    pub fn compile(&self) -> Result<DecisionTable> {
        DecisionTable::compile(&self.table, &self.schema)
    }
}

fn bad(context: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Invalid, format!("a DMN document: {context}"))
}

/// The types that a document declares.
struct Types {
    /// Item definitions: what they stand for.
    items: BTreeMap<String, String>,
    /// The types of the components of structures.
    parts: BTreeMap<String, BTreeMap<String, String>>,
    /// Input data.
    inputs: BTreeMap<String, Option<String>>,
}

impl Types {
    fn read(root: Node<'_, '_>) -> Self {
        let items = children(root, "itemDefinition").filter_map(|item| {
            // Collections and structures have no type here.
            let simple = !is_collection(item) && child(item, "itemComponent").is_none();
            let base = child(item, "typeRef").map(|it| text(it)).filter(|_| simple)?;
            Some((item.attribute("name")?.to_owned(), base))
        });
        let part = |part: Node<'_, '_>| {
            let base = child(part, "typeRef").map(|it| text(it)).filter(|_| !is_collection(part))?;
            Some((part.attribute("name")?.to_owned(), base))
        };
        let structures = children(root, "itemDefinition").filter(|item| !is_collection(*item));
        let parts = structures.filter_map(|item| {
            let parts: BTreeMap<_, _> = children(item, "itemComponent").filter_map(part).collect();
            Some((item.attribute("name")?.to_owned(), parts)).filter(|(_, parts)| !parts.is_empty())
        });
        let inputs = children(root, "inputData").filter_map(|input| {
            let variable = child(input, "variable");
            let ty = variable.and_then(|variable| variable.attribute("typeRef")).map(str::to_owned);
            Some((input.attribute("name")?.to_owned(), ty))
        });
        Self { items: items.collect(), parts: parts.collect(), inputs: inputs.collect() }
    }

    /// The declared type of an input expression: the name of input data, or of a component of it (`Applicant.Age`). Nothing
    /// if it is neither, and an inner nothing if no type is declared.
    fn of_input(&self, source: &str) -> Option<Option<&str>> {
        if let Some(declared) = self.inputs.get(source) {
            return Some(declared.as_deref());
        }
        let (head, path) = source.split_once('.')?;
        let mut ty = self.inputs.get(head.trim())?.as_deref()?;
        for part in path.split('.') {
            let base = ty.rsplit([':', '.']).next().unwrap_or(ty);
            ty = self.parts.get(ty).or_else(|| self.parts.get(base))?.get(part.trim())?;
        }
        Some(Some(ty))
    }

    fn resolve(&self, name: &str) -> Option<Type> {
        let mut name = name;
        // A chain of definitions that is longer is a circle.
        for _ in 0..16 {
            // `feel:string`, and in DMN 1.1 `feel.string`.
            let base = name.rsplit([':', '.']).next().unwrap_or(name);
            match base {
                "string" => return Some(Type::Text),
                "number" => return Some(Type::Decimal),
                "boolean" => return Some(Type::Bool),
                _ => name = self.items.get(name).or_else(|| self.items.get(base))?,
            }
        }
        None
    }
}

fn is_collection(item: Node<'_, '_>) -> bool {
    item.attribute("isCollection") == Some("true")
}

/// A name as one word.
fn word(name: &str) -> String {
    let mut word: String =
        name.trim().chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect();
    if !crate::schema::is_word(&word) {
        word.insert(0, '_');
    }
    word
}

type Read<T> = std::result::Result<T, String>;

fn decision(name: &str, table: Node<'_, '_>, types: &Types) -> Read<DmnDecision> {
    if table.attribute("preferredOrientation").is_some_and(|it| it == "CrossTable") {
        return Err("cross tables are not supported".to_owned());
    }
    let hit_policy = hit_policy(table)?;
    let (mut inputs, mut tested, mut names) = (Vec::new(), Vec::new(), Vec::<String>::new());
    let mut builder = Schema::builder();
    for input in children(table, "input") {
        let expression = child(input, "inputExpression").ok_or("an input without an expression")?;
        let source = child(expression, "text").map(|it| text(it)).unwrap_or_default();
        let source = source.trim().to_owned();
        let declared =
            types.of_input(&source).ok_or_else(|| format!("the input `{source}` is not the name of input data"))?;
        let reference = declared.or_else(|| expression.attribute("typeRef"));
        let reference = reference.ok_or_else(|| format!("the input `{source}` has no type"))?;
        let ty = types.resolve(reference).ok_or_else(|| format!("`{source}` has the type `{reference}`"))?;
        if !names.contains(&source) {
            builder = builder.fact(word(&source), ty.clone());
            names.push(source.clone());
        }
        inputs.push(InputDef { expression: word(&source).into(), name: input.attribute("label").map(str::to_owned) });
        tested.push(ty);
    }
    let outputs: Vec<Node<'_, '_>> = children(table, "output").collect();
    let rules: Vec<Node<'_, '_>> = children(table, "rule").collect();
    let mut columns = Vec::with_capacity(outputs.len());
    let mut results: Vec<Vec<feel::Literal>> = Vec::with_capacity(rules.len());
    let mut rows = Vec::with_capacity(rules.len());
    for (number, rule) in rules.iter().enumerate() {
        let place = |what: &str, error: String| format!("{what} of rule {}: {error}", number + 1);
        let entries =
            |kind| children(*rule, kind).map(|entry| child(entry, "text").map(|it| text(it)).unwrap_or_default());
        let tests: Vec<String> = entries("inputEntry").collect();
        if tests.len() != inputs.len() {
            return Err(format!("rule {} has {} tests for {} inputs", number + 1, tests.len(), inputs.len()));
        }
        let when = tests.iter().zip(&tested).map(|(cell, ty)| feel::test(cell, ty).map(Into::into));
        let when = when.collect::<Read<_>>().map_err(|error| place("a test", error))?;
        let then = entries("outputEntry").map(|cell| feel::literal(&cell)).collect::<Read<Vec<_>>>();
        let then = then.map_err(|error| place("an output", error))?;
        if then.len() != outputs.len() {
            return Err(format!("rule {} has {} results for {} outputs", number + 1, then.len(), outputs.len()));
        }
        let id = rule.attribute("label").map(str::to_owned);
        rows.push(RowDef { id, when, then: then.iter().map(|literal| literal.source().into()).collect() });
        results.push(then);
    }
    for (place, output) in outputs.iter().enumerate() {
        let name = output.attribute("name").map_or_else(|| "result".to_owned(), word);
        let cells = results.iter().filter_map(|row| row.get(place));
        let found = cells.map(feel::Literal::ty).try_fold(None, |known: Option<Type>, ty| match known {
            Some(known) if known != ty => Err(format!("the output `{name}` is {known} and {ty}")),
            _ => Ok(Some(ty)),
        })?;
        let declared = output.attribute("typeRef").and_then(|reference| types.resolve(reference));
        let ty = found.or(declared).ok_or_else(|| format!("the output `{name}` has no type"))?;
        let literal = |cell: Node<'_, '_>| child(cell, "text").map(|it| text(it)).unwrap_or_default();
        let default = child(*output, "defaultOutputEntry").map(|cell| feel::literal(&literal(cell))).transpose()?;
        let priorities = match child(*output, "outputValues") {
            Some(values) if matches!(hit_policy, HitPolicy::Priority | HitPolicy::OutputOrder) => {
                feel::literals(&literal(values))?
            }
            _ => Vec::new(),
        };
        columns.push(OutputDef {
            name,
            ty,
            default: default.map(|literal| literal.source().into()),
            priorities: priorities.iter().map(|literal| literal.source().into()).collect(),
        });
    }
    let table = TableDef { id: word(name), hit_policy, inputs, outputs: columns, rows };
    let schema = builder.build().map_err(|error| error.to_string())?;
    Ok(DmnDecision { name: name.to_owned(), table, schema, inputs: names })
}

fn hit_policy(table: Node<'_, '_>) -> Read<HitPolicy> {
    let policy = table.attribute("hitPolicy").unwrap_or("UNIQUE");
    Ok(match (policy, table.attribute("aggregation")) {
        ("COLLECT", Some("SUM")) => HitPolicy::Sum,
        ("COLLECT", Some("MIN")) => HitPolicy::Min,
        ("COLLECT", Some("MAX")) => HitPolicy::Max,
        ("COLLECT", Some("COUNT")) => HitPolicy::Count,
        ("COLLECT", None) => HitPolicy::Collect,
        ("UNIQUE", _) => HitPolicy::Unique,
        ("ANY", _) => HitPolicy::Any,
        ("PRIORITY", _) => HitPolicy::Priority,
        ("FIRST", _) => HitPolicy::First,
        ("RULE ORDER", _) => HitPolicy::RuleOrder,
        ("OUTPUT ORDER", _) => HitPolicy::OutputOrder,
        (other, aggregation) => return Err(format!("the hit policy `{other}` {}", aggregation.unwrap_or_default())),
    })
}
