//! Short ways to say what the tests need.

use std::sync::Arc;

use nebula_rule_engine::{
    Basket, Budget, DecisionTable, Detail, Facts, Line, Meter, Priced, Result, RuleSet, RuleSetDef, Schema, TableDef,
    Type,
};
use serde_json::{Value as Json, json};

pub(crate) fn meter() -> Meter {
    Budget::default().with_deadline(None).start()
}

pub(crate) fn schema(facts: &[(&str, &str)]) -> Arc<Schema> {
    let builder =
        facts.iter().fold(Schema::builder(), |builder, (name, ty)| builder.fact(*name, ty.parse::<Type>().unwrap()));
    builder.build().unwrap()
}

pub(crate) fn table(def: Json, schema: &Arc<Schema>) -> Result<DecisionTable> {
    DecisionTable::compile(&serde_json::from_value::<TableDef>(def).unwrap(), schema)
}

pub(crate) fn def(json: Json) -> RuleSetDef {
    RuleSetDef::from_json(&json.to_string()).unwrap()
}

/// A set with one phase and one group, which stacks as told.
pub(crate) fn one_group(stacking: &str, rules: Json) -> RuleSetDef {
    def(json!({
        "name": "shop", "currency": "CNY",
        "facts": { "level": "enum(BASIC, GOLD, VIP)", "age": "int" },
        "line-facts": { "category": { "type": "text", "default": "" } },
        "phases": [{ "id": "sale", "groups": [{ "id": "g", "stacking": stacking }] }],
        "rules": rules,
    }))
}

pub(crate) fn gold(set: &RuleSet) -> Facts {
    set.schema().facts_from_json(&json!({ "level": "GOLD", "age": 30 })).unwrap()
}

/// Lines as price, quantity and category, named `l0`, `l1` and so on.
pub(crate) fn basket(lines: &[(&str, u32, &str)]) -> Basket {
    Basket::new(lines.iter().enumerate().map(|(place, (price, quantity, category))| {
        let price = format!("{price} CNY").parse().unwrap();
        Line::new(format!("l{place}"), price, *quantity).with("category", *category)
    }))
}

pub(crate) fn price(set: &RuleSet, basket: &Basket) -> Priced {
    set.price(&gold(set), basket, &mut meter(), Detail::Full).unwrap()
}

/// The prices of the lines, without the currency.
pub(crate) fn amounts(priced: &Priced) -> Vec<String> {
    priced.lines.iter().map(|line| line.price.to_string().replace(" CNY", "")).collect()
}
