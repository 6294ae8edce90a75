//! Test cases in the form of the technology compatibility kit.

use std::fmt;
use std::str::FromStr;

use roxmltree::Node;
use rust_decimal::Decimal;

use super::xml::{child, children, text};
use super::{DmnDecision, DmnModel, bad};
use crate::budget::Budget;
use crate::error::{Error, ErrorKind, Result};
use crate::facts::Facts;
use crate::set::short_enough;
use crate::table::{DecisionResult, DecisionTable, HitPolicy};
use crate::types::Type;
use crate::value::Value;

/// Test cases for a [`DmnModel`].
#[derive(Clone, Debug)]
pub struct DmnTests {
    model: Option<String>,
    cases: Vec<Case>,
}

#[derive(Clone, Debug)]
struct Case {
    id: String,
    inputs: Vec<(String, Given)>,
    results: Vec<(String, Expected)>,
}

/// An input.
#[derive(Clone, Debug)]
enum Given {
    Text(String),
    Nothing,
    /// The components of a structure.
    Parts(Vec<(String, Self)>),
    /// Lists.
    Other,
}

/// A result. Structures have their components sorted by name.
#[derive(Clone, Debug, PartialEq)]
enum Expected {
    Nothing,
    Value(Plain),
    List(Vec<Self>),
    Parts(Vec<(String, Self)>),
}

/// A value without its type: what XML writes.
#[derive(Clone, Debug, PartialEq)]
enum Plain {
    Number(Decimal),
    Text(String),
}

/// What became of a test case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DmnOutcome {
    /// The decision is what is expected.
    Passed,
    /// It is not.
    Failed(String),
    /// It uses what is not supported.
    Unsupported(String),
}

impl fmt::Display for DmnOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::Failed(why) => write!(f, "failed: {why}"),
            Self::Unsupported(why) => write!(f, "unsupported: {why}"),
        }
    }
}

impl DmnTests {
    /// Reads test cases.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for what is no XML or has no test cases; [`ErrorKind::TooLarge`].
    pub fn parse(xml: &str) -> Result<Self> {
        short_enough(xml)?;
        let document = super::xml::parse(xml)?;
        let root = document.root_element();
        if root.tag_name().name() != "testCases" {
            return Err(bad("the root element is not `testCases`"));
        }
        let cases = children(root, "testCase").map(|case| Case {
            id: case.attribute("id").or_else(|| case.attribute("name")).unwrap_or_default().to_owned(),
            inputs: children(case, "inputNode").map(|node| (name(node), given(node))).collect(),
            results: children(case, "resultNode")
                .map(|node| (name(node), child(node, "expected").map_or(Expected::Nothing, expected)))
                .collect(),
        });
        Ok(Self { model: child(root, "modelName").map(|it| text(it).trim().to_owned()), cases: cases.collect() })
    }

    /// The file name of the model that they are for, if they say so.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// Runs them: for each expected result the case, the decision, and what became of it.
    #[must_use]
    pub fn run(&self, model: &DmnModel) -> Vec<(String, String, DmnOutcome)> {
        let mut outcomes = Vec::new();
        for case in &self.cases {
            for (decision, expected) in &case.results {
                let outcome = match run(model, case, decision) {
                    Ok(found) if found == *expected => DmnOutcome::Passed,
                    Ok(found) => DmnOutcome::Failed(format!("{found:?} and not {expected:?}")),
                    Err(error) => error,
                };
                outcomes.push((case.id.clone(), decision.clone(), outcome));
            }
        }
        outcomes
    }
}

fn name(node: Node<'_, '_>) -> String {
    node.attribute("name").unwrap_or_default().to_owned()
}

fn is_nil(node: Node<'_, '_>) -> bool {
    node.attributes().any(|attribute| attribute.name() == "nil" && attribute.value() == "true")
}

/// Structures nest no deeper than XML that is read at all.
fn given(node: Node<'_, '_>) -> Given {
    let parts: Vec<_> = children(node, "component").map(|part| (name(part), given(part))).collect();
    if !parts.is_empty() {
        return Given::Parts(parts);
    }
    match child(node, "value") {
        Some(value) if is_nil(value) => Given::Nothing,
        Some(value) => Given::Text(text(value)),
        None if is_nil(node) => Given::Nothing,
        None => Given::Other,
    }
}

/// Lists of lists and the like are no results of tables, so that this does not go deep.
fn expected(node: Node<'_, '_>) -> Expected {
    if let Some(value) = child(node, "value") {
        return if is_nil(value) { Expected::Nothing } else { Expected::Value(plain(&text(value))) };
    }
    if let Some(list) = child(node, "list").filter(|list| !is_nil(*list)) {
        return Expected::List(children(list, "item").map(part).collect());
    }
    part(node)
}

fn part(node: Node<'_, '_>) -> Expected {
    let value = |node: Node<'_, '_>| match child(node, "value") {
        Some(value) if !is_nil(value) => Expected::Value(plain(&text(value))),
        _ => Expected::Nothing,
    };
    let mut parts: Vec<_> = children(node, "component").map(|part| (super::word(&name(part)), value(part))).collect();
    if parts.is_empty() {
        return value(node);
    }
    parts.sort_by(|(one, _), (other, _)| one.cmp(other));
    Expected::Parts(parts)
}

fn plain(text: &str) -> Plain {
    Decimal::from_str(text.trim()).map_or_else(|_| Plain::Text(text.to_owned()), Plain::Number)
}

fn run(model: &DmnModel, case: &Case, name: &str) -> std::result::Result<Expected, DmnOutcome> {
    let unsupported = |why: String| DmnOutcome::Unsupported(why);
    let Some(decision) = model.decisions.iter().find(|decision| decision.name == name) else {
        let known = model.unsupported.iter().find(|problem| problem.place == name);
        return Err(unsupported(known.map_or_else(|| "there is no such decision".to_owned(), |it| it.message.clone())));
    };
    let table = decision.compile().map_err(|error| unsupported(format!("refused at load: {error}")))?;
    let facts = facts(decision, case)?;
    match table.decide(&facts, &mut Budget::default().with_deadline(None).start()) {
        Ok(decided) => Ok(shown(&table, decided.rows().is_empty(), decided.result())),
        // A table that says two things where one is allowed says nothing.
        Err(error) if error.kind() == ErrorKind::HitPolicy => Ok(Expected::Nothing),
        Err(error) => Err(DmnOutcome::Failed(error.to_string())),
    }
}

fn facts(decision: &DmnDecision, case: &Case) -> std::result::Result<Facts, DmnOutcome> {
    let unsupported =
        |name: &str, why: &dyn fmt::Display| DmnOutcome::Unsupported(format!("the input `{name}`: {why}"));
    let mut builder = decision.schema.facts();
    for (name, field) in decision.inputs.iter().zip(decision.schema.fields()) {
        let Some(Given::Text(text)) = at(&case.inputs, name) else {
            return Err(unsupported(name, &"there is no null, and no list"));
        };
        let value = value(text, field.ty()).map_err(|error| unsupported(name, &error))?;
        builder = builder.set(field.name(), value);
    }
    builder.build().map_err(|error| unsupported("", &error))
}

/// What is given for an input, or for a component of it by its path.
fn at<'a>(inputs: &'a [(String, Given)], name: &str) -> Option<&'a Given> {
    let of = |given: &'a [(String, Given)], name: &str| given.iter().find(|(known, _)| known == name).map(|(_, it)| it);
    if let Some(given) = of(inputs, name) {
        return Some(given);
    }
    let mut path = name.split('.').map(str::trim);
    let mut given = of(inputs, path.next()?)?;
    for part in path {
        let Given::Parts(parts) = given else { return None };
        given = of(parts, part)?;
    }
    Some(given)
}

fn value(text: &str, ty: &Type) -> Result<Value> {
    Ok(match ty {
        Type::Bool => Value::Bool(
            text.trim().parse().map_err(|_| Error::new(ErrorKind::BadFact, format!("`{text}` is no boolean")))?,
        ),
        Type::Decimal => Value::Decimal(crate::money::decimal(text.trim())?),
        _ => Value::Text(text.into()),
    })
}

fn shown(table: &DecisionTable, empty: bool, result: &DecisionResult) -> Expected {
    let plain = |value: &Value| match value {
        Value::Text(text) => Expected::Value(Plain::Text(text.to_string())),
        Value::Decimal(number) => Expected::Value(Plain::Number(*number)),
        other => Expected::Value(self::plain(&other.to_string())),
    };
    let outputs = &table.definition().outputs;
    let row = |values: &[Value]| match values {
        [one] => plain(one),
        several => {
            let mut parts: Vec<_> =
                outputs.iter().zip(several).map(|(output, value)| (output.name.clone(), plain(value))).collect();
            parts.sort_by(|(one, _), (other, _)| one.cmp(other));
            Expected::Parts(parts)
        }
    };
    let defaults = outputs.iter().any(|output| output.default.is_some());
    match result {
        DecisionResult::Nothing => Expected::Nothing,
        // Nothing has no sum in DMN.
        DecisionResult::Aggregate(_) if empty && !defaults && table.policy() != HitPolicy::Count => Expected::Nothing,
        DecisionResult::Aggregate(value) => plain(value),
        DecisionResult::One(values) => row(values),
        // The default of a table that collects is one value.
        DecisionResult::Many(rows) if empty => rows.first().map_or(Expected::Nothing, |values| row(values)),
        DecisionResult::Many(rows) => Expected::List(rows.iter().map(|values| row(values)).collect()),
    }
}
