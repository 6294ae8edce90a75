use std::time::Duration;

use nebula_rule_engine::{Budget, ErrorKind, Expr, Expression, PriceProof, RuleSet, RuleSetDef, TableDef};
use proptest::prelude::*;
use serde_json::json;

use crate::common::{basket, gold, one_group, schema, table};

#[test]
fn budgets_have_errors_of_their_own() {
    let schema = schema(&[("list", "list(int)"), ("n", "int")]);
    let facts =
        |length: i64| schema.facts().set("list", (0..length).collect::<Vec<i64>>()).set("n", 1).build().unwrap();
    let squares = Expression::compile("count(list, some(list, # < 0))", &schema).unwrap();
    let run = |length, budget: Budget| squares.evaluate(&facts(length), &mut budget.start()).unwrap_err().kind();
    let patient = Budget::default().with_deadline(None);
    assert_eq!(run(5_000, patient), ErrorKind::CellBudget);
    assert_eq!(run(10_001, patient), ErrorKind::ListTooLong);
    assert_eq!(run(10_000, patient.with_depth(1)), ErrorKind::TooDeep);
    assert_eq!(
        run(10_000, patient.with_cells(u64::MAX).with_deadline(Some(Duration::ZERO))),
        ErrorKind::DeadlineExceeded
    );
}

#[test]
fn nesting_ends_at_load() {
    let schema = schema(&[("n", "int")]);
    for (source, kind) in [
        (format!("{}n{}", "(".repeat(20_000), ")".repeat(20_000)), ErrorKind::TooLarge),
        (format!("{}n{}", "(".repeat(5_000), ")".repeat(5_000)), ErrorKind::TooDeep),
        (format!("{}true", "not ".repeat(4_000)), ErrorKind::TooDeep),
        (format!("n{}", " + n".repeat(3_000)), ErrorKind::TooDeep),
        (format!("n{}", " ? n : n".repeat(1_000)), ErrorKind::TooDeep),
    ] {
        assert_eq!(Expression::compile(&source, &schema).unwrap_err().kind(), kind, "{}", &source[..20]);
    }
    // Whatever is repeated as often as fits: refused or understood, on the stack of a test.
    for piece in [
        "`${(",
        "n.",
        "n1.",
        "1.",
        "n[0]",
        "n['a']",
        "n()",
        "n ",
        "'a' ",
        "[] ",
        "() ",
        "{} ",
        "#.",
        "!",
        "? ",
        "in ",
        "..",
        ", ",
        "\n(\n)",
        "all(list,",
    ] {
        for source in [piece.repeat(16_000 / piece.len()), piece.repeat(250 / piece.len()), piece.repeat(31)] {
            assert!(Expression::compile(&source, &schema).is_err(), "{piece}");
            let cell = json!({ "id": "t", "inputs": [{ "expression": "n" }], "outputs": [{ "name": "x", "type": "int" }],
                "rows": [{ "when": [source], "then": [1] }] });
            assert!(table(cell, &schema).is_err(), "{piece}");
        }
    }
}

#[test]
fn a_table_of_ten_thousand_rows_loads_and_answers() {
    let schema = schema(&[("n", "int"), ("name", "text")]);
    let rows: Vec<_> = (0..10_000)
        .map(|row| json!({ "when": [format!("[{}..{}]", row * 3, row * 3 + 10), format!("'n{}'", row % 7)], "then": [row] }))
        .collect();
    let def = json!({ "id": "t", "hit-policy": "collect", "inputs": [{ "expression": "n" }, { "expression": "name" }],
        "outputs": [{ "name": "x", "type": "int" }], "rows": rows });
    let table = table(def, &schema).unwrap();
    let facts = schema.facts().set("n", 3_000).set("name", "n1").build().unwrap();
    let decision = table.decide(&facts, &mut Budget::default().with_deadline(None).start()).unwrap();
    // Rows 997 to 1000 hold 3000, and of these 1000 % 7 is 6, 999 % 7 is 5, 998 % 7 is 4, 997 % 7 is 3.
    assert!(decision.rows().is_empty());
    let facts = schema.facts().set("n", 3_000).set("name", "n4").build().unwrap();
    let decision = table.decide(&facts, &mut Budget::default().with_deadline(None).start()).unwrap();
    assert_eq!(decision.rows(), [998]);
}

#[test]
fn rows_that_have_to_be_interpreted_are_paid_for() {
    let schema = schema(&[("n", "int")]);
    let rows: Vec<_> = (0..10_000).map(|row| json!({ "when": [format!("$ * 2 == {row}")], "then": [row] })).collect();
    let def = json!({ "id": "t", "hit-policy": "collect", "inputs": [{ "expression": "n" }],
        "outputs": [{ "name": "x", "type": "int" }], "rows": rows });
    let table = table(def, &schema).unwrap();
    let facts = schema.facts().set("n", 4_000).build().unwrap();
    let decide = |budget: Budget| table.decide(&facts, &mut budget.start()).map(|decision| decision.rows().to_vec());
    let patient = Budget::default().with_deadline(None);
    assert_eq!(decide(patient).unwrap(), [8_000]);
    assert_eq!(decide(patient.with_cells(9_000)).unwrap_err().kind(), ErrorKind::CellBudget);
    assert_eq!(
        decide(Budget::default().with_deadline(Some(Duration::ZERO))).unwrap_err().kind(),
        ErrorKind::DeadlineExceeded
    );
}

#[test]
fn a_basket_that_is_too_long_is_refused() {
    let set = RuleSet::compile(&one_group("best", json!([]))).unwrap();
    let lines: Vec<(&str, u32, &str)> = vec![("1", 1, ""); 10_001];
    let error =
        set.price(&gold(&set), &basket(&lines), &mut Budget::default().start(), Default::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ListTooLong);
}

#[test]
fn bundles_of_millions_of_units_end_within_the_budget() {
    let set = RuleSet::compile(&one_group(
        "best",
        json!([{ "id": "b", "group": "g", "order": 1,
        "then": { "bundle": { "price": 1, "parts": [{ "lines": "true", "quantity": 1 }] } } }]),
    ))
    .unwrap();
    let budget = Budget::default().with_deadline(None).with_cells(100_000);
    let error =
        set.price(&gold(&set), &basket(&[("1", u32::MAX, "")]), &mut budget.start(), Default::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CellBudget);
}

#[test]
fn giant_documents_are_refused_before_they_are_read() {
    let schema = schema(&[("n", "int")]);
    let giant = "x".repeat((32 << 20) + 1);
    let kinds = [
        RuleSetDef::from_json(&giant).map(drop),
        RuleSetDef::from_yaml(&giant).map(drop),
        TableDef::from_json(&giant).map(drop),
        TableDef::from_yaml(&giant).map(drop),
        TableDef::from_csv(&giant).map(drop),
        TableDef::from_jdm(&giant, None, &schema).map(drop),
        PriceProof::from_bytes(giant.as_bytes()).map(drop),
    ]
    .map(|read| read.unwrap_err().kind());
    assert_eq!(kinds, [ErrorKind::TooLarge; 7]);
    let rows = vec!["1,2"; 100_001].join("\n");
    let def = TableDef::from_csv(&format!("collect,output\nt,x: int\n{rows}\n").replace("1,2", ",2")).unwrap();
    assert_eq!(nebula_rule_engine::DecisionTable::compile(&def, &schema).unwrap_err().kind(), ErrorKind::TooLarge);
}

#[test]
fn documents_that_grow_or_nest_without_end_are_refused() {
    // Each anchor stands for ten of the one before: ten to the ninth in all.
    let mut bomb = "name: s\ncurrency: CNY\nphases: []\ntests:\n  - name: t\n    lines: []\n    total: 1 CNY\n    facts:\n      a0: &a0 [x]\n".to_owned();
    for level in 1..10 {
        let before = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("      a{level}: &a{level} [{before}]\n"));
    }
    assert_eq!(RuleSetDef::from_yaml(&bomb).unwrap_err().kind(), ErrorKind::Invalid);
    let nested = |open: &str, close: &str| format!("{}1{}", open.repeat(50_000), close.repeat(50_000));
    for text in [nested("[", "]"), nested("{\"a\":", "}")] {
        let yaml = format!(
            "name: s\ncurrency: CNY\nphases: []\ntests: [{{ name: t, lines: [], total: 1 CNY, facts: {text} }}]"
        );
        let json = format!(
            r#"{{"name":"s","currency":"CNY","phases":[],"tests":[{{"name":"t","lines":[],"total":"1 CNY","facts":{text}}}]}}"#
        );
        assert_eq!(RuleSetDef::from_yaml(&yaml).unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(RuleSetDef::from_json(&json).unwrap_err().kind(), ErrorKind::Invalid);
    }
}

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("n"),
        Just("name"),
        Just("list"),
        Just("total"),
        Just("now"),
        Just("1"),
        Just("0"),
        Just("'x'"),
        Just("0.1"),
        Just("+"),
        Just("-"),
        Just("*"),
        Just("/"),
        Just("%"),
        Just("^"),
        Just("("),
        Just(")"),
        Just("["),
        Just("]"),
        Just(".."),
        Just(","),
        Just(" in "),
        Just(" and "),
        Just(" or "),
        Just("not "),
        Just("=="),
        Just("<"),
        Just(">="),
        Just("?"),
        Just(":"),
        Just("??"),
        Just("#"),
        Just("$"),
        Just("."),
        Just("all("),
        Just("map("),
        Just("sum("),
        Just("d("),
        Just("duration("),
        Just("len("),
        Just("`${"),
        Just("}"),
        Just("{"),
        Just("\""),
        Just("'"),
        Just(" "),
        Just("null"),
        Just("true"),
        Just("\u{1f600}"),
        Just("79228162514264337593543950335"),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_expression_ends_the_process(source in prop_oneof![pieces(), ".{0,60}"]) {
        let schema = schema(&[("n", "int"), ("name", "text"), ("list", "list(int)"), ("total", "money(CNY)"), ("now", "date-time")]);
        let facts = schema.facts_from_json(&json!({
            "n": 3, "name": "x", "list": [1, 2], "total": "1 CNY", "now": "2026-01-01T00:00:00Z",
        })).unwrap();
        if let Ok(expression) = Expression::compile(&source, &schema) {
            let one = expression.evaluate(&facts, &mut Budget::default().with_deadline(None).start());
            let other = expression.evaluate(&facts, &mut Budget::default().with_deadline(None).start());
            prop_assert_eq!(one.ok(), other.ok());
        }
        let cell = json!({ "id": "t", "inputs": [{ "expression": "n" }], "outputs": [{ "name": "x", "type": "int" }],
            "rows": [{ "when": [source], "then": [1] }] });
        let _ = table(cell, &schema).map(|table| table.decide(&facts, &mut Budget::default().start()).is_ok());
    }

    #[test]
    fn no_document_ends_the_process(text in prop_oneof![".{0,200}", "[\\[\\]{}:,\"a-z0-9\\n -]{0,200}", "(first|U),(input|output)\n.{0,80}"]) {
        let schema = schema(&[("n", "int")]);
        let _ = RuleSetDef::from_json(&text).is_ok();
        let _ = RuleSetDef::from_yaml(&text).is_ok();
        let _ = TableDef::from_csv(&text).is_ok();
        let _ = TableDef::from_yaml(&text).is_ok();
        let _ = TableDef::from_jdm(&text, None, &schema).is_ok();
        let _ = PriceProof::from_bytes(text.as_bytes()).is_ok();
    }
}
