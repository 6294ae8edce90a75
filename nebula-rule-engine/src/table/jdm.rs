//! Tables in the JSON decision model of GoRules, whose open-source editor can edit them.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::compile::is_any;
use super::{HitPolicy, InputDef, OutputDef, RowDef, TableDef};
use crate::error::{Error, ErrorKind, Result};
use crate::expr::{Expr, Expression};
use crate::schema::Schema;
use crate::set::short_enough;
use crate::text::Source;
use crate::types::Type;

fn bad(context: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Invalid, format!("a table in JDM: {context}"))
}

impl TableDef {
    /// Reads the decision table named `name` from a JDM document, or the only one it has. JDM knows no types: those of the
    /// outputs are what the cells have over `schema`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for what is no such document, has no such table, or uses what is not supported: loops over
    /// lists, hit policies but `first` and `collect`, cells of one output that have no type in common;
    /// [`ErrorKind::TooLarge`].
    pub fn from_jdm(text: &str, name: Option<&str>, schema: &Arc<Schema>) -> Result<Self> {
        short_enough(text)?;
        let document: Json = serde_json::from_str(text).map_err(bad)?;
        let nodes = document["nodes"].as_array().ok_or_else(|| bad("there are no `nodes`"))?;
        let tables = nodes.iter().filter(|node| node["type"] == "decisionTableNode");
        let named: Vec<&Json> = tables.filter(|node| name.is_none_or(|name| node["name"] == name)).collect();
        let node = match named.as_slice() {
            [] => return Err(bad("it has no such decision table")),
            [one] => *one,
            several => {
                let names: Vec<String> = several.iter().map(|node| node["name"].to_string()).collect();
                return Err(bad(format!("it has several decision tables, name one: {}", names.join(", "))));
            }
        };
        let content = &node["content"];
        if content["executionMode"] == "loop" {
            return Err(bad("loops over lists are not supported"));
        }
        let hit_policy = match content["hitPolicy"].as_str() {
            Some("first") | None => HitPolicy::First,
            Some("collect") => HitPolicy::Collect,
            Some(other) => return Err(bad(format!("the hit policy `{other}` is not supported"))),
        };
        let list = |name: &str| content[name].as_array().map(Vec::as_slice).ok_or_else(|| bad(format!("no `{name}`")));
        let (columns, results, rules) = (list("inputs")?, list("outputs")?, list("rules")?);
        let inputs = columns.iter().map(|column| InputDef {
            // A column that tests no field has conditions of its own in its cells.
            expression: column["field"].as_str().filter(|field| !field.trim().is_empty()).unwrap_or("true").into(),
            name: column["name"].as_str().map(str::to_owned),
        });
        let inputs: Vec<InputDef> = inputs.collect();
        let mut rows = Vec::with_capacity(rules.len());
        for rule in rules {
            let cell = |column: &Json| {
                Source::from(rule[column["id"].as_str().unwrap_or_default()].as_str().unwrap_or_default())
            };
            let when = columns.iter().zip(&inputs).map(|(column, input)| match cell(column) {
                condition if !is_any(&condition) && input.expression.as_str() == "true" => {
                    format!("$ and ({condition})").into()
                }
                other => other,
            });
            rows.push(RowDef {
                id: rule["_description"].as_str().filter(|name| !name.is_empty()).map(str::to_owned),
                when: when.collect(),
                then: results.iter().map(cell).collect(),
            });
        }
        let mut outputs = Vec::with_capacity(results.len());
        for (place, column) in results.iter().enumerate() {
            let name = column["field"].as_str().ok_or_else(|| bad("an output has no `field`"))?.to_owned();
            let ty = common_type(&name, rows.iter().filter_map(|row| row.then.get(place)), schema)?;
            outputs.push(OutputDef { name, ty, default: None, priorities: Vec::new() });
        }
        let id = node["name"].as_str().unwrap_or("table").to_owned();
        Ok(Self { id, hit_policy, inputs, outputs, rows })
    }

    /// Writes a JDM document with this table between an input and an output.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for what JDM cannot say: other hit policies than `first`, `rule-order` and `collect`, and
    /// defaults under the latter two.
    pub fn to_jdm(&self) -> Result<String> {
        let defaults = self.outputs.iter().any(|output| output.default.is_some());
        let hit_policy = match self.hit_policy {
            HitPolicy::First => "first",
            HitPolicy::RuleOrder | HitPolicy::Collect if !defaults => "collect",
            HitPolicy::RuleOrder | HitPolicy::Collect => return Err(bad("defaults cannot be written under `collect`")),
            other => return Err(bad(format!("the hit policy `{other}` cannot be written"))),
        };
        let column = |kind: &str, place: usize| format!("{kind}{place}");
        let inputs: Vec<Json> = self
            .inputs
            .iter()
            .enumerate()
            .map(|(place, input)| {
                let name = input.name.as_deref().unwrap_or(input.expression.as_str());
                json!({ "id": column("in", place), "name": name, "field": input.expression.as_str() })
            })
            .collect();
        let outputs: Vec<Json> = self
            .outputs
            .iter()
            .enumerate()
            .map(|(place, output)| json!({ "id": column("out", place), "name": output.name, "field": output.name }))
            .collect();
        let mut rules = Vec::with_capacity(self.rows.len() + 1);
        for (number, row) in self.rows.iter().enumerate() {
            let mut rule =
                json!({ "_id": format!("row{number}"), "_description": row.id.as_deref().unwrap_or_default() });
            for (place, cell) in row.when.iter().enumerate() {
                rule[column("in", place)] = if is_any(cell) { "".into() } else { cell.as_str().into() };
            }
            for (place, cell) in row.then.iter().enumerate() {
                rule[column("out", place)] = cell.as_str().into();
            }
            rules.push(rule);
        }
        if defaults {
            let mut rule = json!({ "_id": "default", "_description": "default" });
            for (place, output) in self.outputs.iter().enumerate() {
                let default =
                    output.default.as_ref().ok_or_else(|| bad("some outputs have a default and some have none"))?;
                rule[column("out", place)] = default.as_str().into();
            }
            for place in 0..self.inputs.len() {
                rule[column("in", place)] = "".into();
            }
            rules.push(rule);
        }
        let content = json!({ "hitPolicy": hit_policy, "inputs": inputs, "outputs": outputs, "rules": rules,
            "passThrough": false, "inputField": null, "outputPath": null, "executionMode": "single" });
        let at = |x: u32| json!({ "x": x, "y": 100 });
        let document = json!({
            "contentType": "application/vnd.gorules.decision",
            "nodes": [
                { "id": "input", "name": "Request", "type": "inputNode", "position": at(100) },
                { "id": "table", "name": self.id, "type": "decisionTableNode", "position": at(400), "content": content },
                { "id": "output", "name": "Response", "type": "outputNode", "position": at(700) },
            ],
            "edges": [
                { "id": "in", "type": "edge", "sourceId": "input", "targetId": "table" },
                { "id": "out", "type": "edge", "sourceId": "table", "targetId": "output" },
            ],
        });
        serde_json::to_string_pretty(&document).map_err(bad)
    }
}

fn common_type<'a>(name: &str, cells: impl Iterator<Item = &'a Source>, schema: &Arc<Schema>) -> Result<Type> {
    let mut common: Option<Type> = None;
    for cell in cells {
        let cell = Expression::compile(cell.as_str(), schema)
            .map_err(|error| bad(format!("output `{name}`, `{cell}`: {error}")))?;
        let ty = cell.ty();
        common = Some(match (common, ty) {
            (None, ty) => ty.clone(),
            (Some(known), ty) if known == *ty => known,
            (Some(Type::Int | Type::Decimal), Type::Int | Type::Decimal) => Type::Decimal,
            (Some(money @ Type::Money(_)), Type::Int | Type::Decimal) => money,
            (Some(Type::Int | Type::Decimal), money @ Type::Money(_)) => money.clone(),
            (Some(known), ty) if known.is_text() && ty.is_text() => Type::Text,
            (Some(known), ty) => return Err(bad(format!("output `{name}` is {known} in one row and {ty} in another"))),
        });
    }
    common.ok_or_else(|| bad(format!("output `{name}` has no cell to tell its type")))
}
