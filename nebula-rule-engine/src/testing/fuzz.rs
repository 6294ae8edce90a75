//! What fuzzers call with any bytes: nothing here may panic, hang, or answer twice differently. The crate's own tests call
//! the same functions with random bytes, a bounded number of times.

use serde_json::json;

use crate::budget::Budget;
use crate::expr::{Expr, Expression};
use crate::schema::Schema;
use crate::set::{Basket, Detail, Line, PriceProof, RuleSet, RuleSetDef};
use crate::table::{DecisionTable, TableDef};

fn schema() -> std::sync::Arc<Schema> {
    let facts = [
        ("n", "int"),
        ("rate", "decimal"),
        ("name", "text"),
        ("level", "enum(A, B)"),
        ("list", "list(int)"),
        ("total", "money(CNY)"),
        ("now", "date-time"),
        ("wait", "duration"),
        ("vip", "bool"),
    ];
    let builder =
        facts.into_iter().fold(Schema::builder(), |builder, (name, ty)| builder.fact(name, ty.parse().unwrap()));
    builder.build().unwrap()
}

/// An expression and the cell of a table: if they compile, they evaluate within a budget, and twice to the same.
pub fn expression(data: &[u8]) {
    let Ok(source) = std::str::from_utf8(data) else { return };
    let schema = schema();
    let facts = schema.facts_from_json(&json!({
        "n": 3, "rate": "0.25", "name": "x", "level": "A", "list": [1, 2, 3], "total": "1.50 CNY",
        "now": "2026-01-31T23:30:00+08:00", "wait": "90m", "vip": true,
    }));
    let facts = facts.unwrap();
    let meter = || Budget::default().with_deadline(None).with_cells(50_000).start();
    if let Ok(expression) = Expression::compile(source, &schema) {
        let once = expression.evaluate(&facts, &mut meter());
        assert_eq!(once.as_ref().ok(), expression.evaluate(&facts, &mut meter()).as_ref().ok());
    }
    let cell = json!({ "id": "t", "hit-policy": "collect", "inputs": [{ "expression": "n" }, { "expression": "name" }],
        "outputs": [{ "name": "x", "type": "int" }], "rows": [{ "when": [source, ""], "then": [1] }, { "when": ["", source], "then": ["n"] }] });
    let def: TableDef = serde_json::from_value(cell).unwrap();
    if let Ok(table) = DecisionTable::compile(&def, &schema) {
        table.decide(&facts, &mut meter()).ok();
        table.near_misses(&facts, &mut meter()).ok();
    }
}

/// A document in every form that is read; what compiles is priced, and its bounds are proven.
pub fn import(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let schema = schema();
    PriceProof::from_bytes(data).ok();
    let mut tables = vec![TableDef::from_json(text), TableDef::from_jdm(text, None, &schema)];
    let mut sets = vec![RuleSetDef::from_json(text)];
    #[cfg(feature = "csv")]
    tables.push(TableDef::from_csv(text));
    #[cfg(feature = "yaml")]
    {
        tables.push(TableDef::from_yaml(text));
        sets.push(RuleSetDef::from_yaml(text));
    }
    #[cfg(feature = "dmn")]
    crate::dmn::DmnModel::parse(text).ok();
    for def in tables.into_iter().flatten() {
        DecisionTable::compile(&def, &schema).ok();
        // What was read can be written, and is read again as the same.
        assert_eq!(TableDef::from_json(&def.to_json().unwrap()).unwrap(), def);
    }
    for def in sets.into_iter().flatten() {
        assert_eq!(RuleSetDef::from_json(&def.to_json().unwrap()).unwrap(), def);
        let Ok(set) = RuleSet::compile(&def) else { continue };
        let _ = set.prove_bounds();
        let Ok(facts) = set.schema().facts().build() else { continue };
        let price = crate::money::Money::new(rust_decimal::Decimal::ONE_HUNDRED, set.currency());
        let basket = Basket::new([Line::new("a", price, 3)]);
        let mut meter = Budget::default().with_deadline(None).with_cells(50_000).start();
        set.price(&facts, &basket, &mut meter, Detail::Full).ok();
    }
}
