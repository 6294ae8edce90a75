use nebula_rule_engine::{DecisionResult, DecisionTable, ErrorKind, Value};
use serde_json::{Value as Json, json};

use crate::common::{meter, schema, table};

/// Discounts by age and level, with overlapping rows.
fn overlapping(policy: &str, outputs: Json) -> Result<DecisionTable, nebula_rule_engine::Error> {
    let schema = schema(&[("age", "int"), ("level", "enum(BASIC, VIP)")]);
    let def = json!({
        "id": "t", "hit-policy": policy, "inputs": [{ "expression": "age" }, { "expression": "level" }],
        "outputs": [outputs],
        "rows": [
            { "when": [">= 18", "-"], "then": [10] },
            { "when": ["", "'VIP'"], "then": [30] },
            { "when": ["[60..99]", ""], "then": [20] },
        ],
    });
    table(def, &schema)
}

fn decide(table: &DecisionTable, age: i64, level: &str) -> (Vec<usize>, String) {
    let schema = schema(&[("age", "int"), ("level", "enum(BASIC, VIP)")]);
    let facts = schema.facts().set("age", age).set("level", level).build().unwrap();
    let decision = table.decide(&facts, &mut meter()).unwrap();
    let show = |values: &[Value]| values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let result = match decision.result() {
        DecisionResult::Nothing => "nothing".to_owned(),
        DecisionResult::One(values) => show(values),
        DecisionResult::Many(rows) => rows.iter().map(|row| show(row)).collect::<Vec<_>>().join(";"),
        DecisionResult::Aggregate(value) => format!("={value}"),
    };
    (decision.rows().to_vec(), result)
}

#[test]
fn hit_policies() {
    let plain = json!({ "name": "off", "type": "int" });
    let ranked = json!({ "name": "off", "type": "int", "priorities": [20, 30, 10] });
    for (policy, output, rows, result) in [
        ("F", &plain, vec![0], "10"),
        ("P", &ranked, vec![2], "20"),
        ("R", &plain, vec![0, 1, 2], "10;30;20"),
        ("O", &ranked, vec![2, 1, 0], "20;30;10"),
        ("C", &plain, vec![0, 1, 2], "10;30;20"),
        ("C+", &plain, vec![0, 1, 2], "=60"),
        ("C<", &plain, vec![0, 1, 2], "=10"),
        ("C>", &plain, vec![0, 1, 2], "=30"),
        ("C#", &plain, vec![0, 1, 2], "=3"),
    ] {
        let table = overlapping(policy, output.clone()).unwrap();
        assert_eq!(decide(&table, 65, "VIP"), (rows, result.to_owned()), "{policy}");
        let nothing = match policy {
            "C+" | "C#" => "=0",
            _ => "nothing",
        };
        assert_eq!(decide(&table, 3, "BASIC"), (vec![], nothing.to_owned()), "{policy}");
    }
}

#[test]
fn a_sum_of_integers_is_one() {
    let schema = schema(&[("n", "int")]);
    let table = table(
        json!({ "id": "t", "hit-policy": "C+", "inputs": [{ "expression": "n" }], "outputs": [{ "name": "x", "type": "int" }],
            "rows": [{ "when": ["> 0"], "then": ["9223372036854775807"] }, { "when": ["> 1"], "then": [1] }] }),
        &schema,
    )
    .unwrap();
    let decide = |n: i64| table.decide(&schema.facts().set("n", n).build().unwrap(), &mut meter());
    assert!(decide(1).is_ok());
    assert_eq!(decide(2).unwrap_err().kind(), ErrorKind::Overflow);
}

#[test]
fn defaults() {
    let output = json!({ "name": "off", "type": "int", "default": 7 });
    for (policy, result) in [("F", "7"), ("R", "7"), ("C+", "=7"), ("C<", "=7"), ("C#", "=0")] {
        assert_eq!(decide(&overlapping(policy, output.clone()).unwrap(), 3, "BASIC").1, result, "{policy}");
    }
}

#[test]
fn unique_and_any_are_checked_at_load() {
    let output = json!({ "name": "off", "type": "int" });
    let error = overlapping("unique", output.clone()).unwrap_err();
    let problem = error.problems().iter().find(|problem| problem.place == "rows[0]").unwrap();
    assert!(problem.message.contains("overlaps row 2 under `unique`, as for age = 18, level = 'VIP'"), "{error}");
    let error = overlapping("any", output).unwrap_err();
    assert!(error.to_string().contains("rows[0]: contradicts row 2"), "{error}");
}

#[test]
fn what_only_facts_show_is_found_then() {
    let schema = schema(&[("a", "int"), ("b", "int")]);
    let def = |policy: &str| {
        json!({ "id": "t", "hit-policy": policy, "inputs": [{ "expression": "a" }], "outputs": [{ "name": "x", "type": "int" }],
                "rows": [{ "when": ["> b"], "then": [1] }, { "when": ["> b + 1"], "then": ["b"] }, { "when": ["< 0"], "then": [3] }] })
    };
    let facts = |a: i64, b: i64| schema.facts().set("a", a).set("b", b).build().unwrap();
    let unique = table(def("unique"), &schema).unwrap();
    assert_eq!(unique.decide(&facts(2, 1), &mut meter()).unwrap().value("x"), Some(&Value::Int(1)));
    let error = unique.decide(&facts(3, 1), &mut meter()).unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("row 1 and row 2")), (ErrorKind::HitPolicy, true), "{error}");
    let any = table(def("any"), &schema).unwrap();
    assert_eq!(any.decide(&facts(3, 1), &mut meter()).unwrap().rows(), [0, 1]);
    assert_eq!(any.decide(&facts(4, 2), &mut meter()).unwrap_err().kind(), ErrorKind::HitPolicy);
}

#[test]
fn gaps_and_rows_that_are_never_reached_are_told() {
    let schema = schema(&[("age", "int"), ("vip", "bool")]);
    let def = |third: &str| {
        json!({ "id": "t", "hit-policy": "first", "inputs": [{ "expression": "age" }, { "expression": "vip" }],
                "outputs": [{ "name": "x", "type": "int" }],
                "rows": [
                    { "when": ["< 18", ""], "then": [1] }, { "when": ["[18..60]", "true"], "then": [2] },
                    { "when": [third, ""], "then": [3] }, { "when": ["[20..30]", "true"], "then": [4] },
                ] })
    };
    let with_gap = table(def(">= 62"), &schema).unwrap();
    let told: Vec<String> = with_gap.warnings().iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|it| it.contains("rows[3]: is never reached")), "{told:?}");
    assert!(told.iter().any(|it| it.contains("no row applies to age = 18, vip = false")), "{told:?}");
    assert!(told.iter().any(|it| it.contains("no row applies to age = 61, and")), "{told:?}");
    assert!(!with_gap.is_complete());
    // There is no integer between 17 and 18.
    let complete = table(def("> 17"), &schema).unwrap();
    assert!(complete.is_complete(), "{:?}", complete.warnings());
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let schema = schema(&[("age", "int"), ("level", "enum(BASIC, VIP)")]);
    let def = json!({
        "id": "t", "inputs": [{ "expression": "age" }, { "expression": "level" }],
        "outputs": [{ "name": "x", "type": "int" }],
        "rows": [
            { "when": ["'a'", "'VIP'"], "then": [1] },
            { "when": ["> 3 and < 2", "'GOLD'"], "then": ["'x'"] },
            { "when": ["> aeg", ""], "then": ["1 / 0"] },
        ],
    });
    let error = table(def, &schema).unwrap_err();
    for place in ["rows[0].age", "rows[1].age", "rows[1].level", "rows[1].x", "rows[2].age", "rows[2].x"] {
        assert!(error.problems().iter().any(|it| it.place.starts_with(place)), "{place}: {error}");
    }
}

#[test]
fn near_misses_have_reasons() {
    let table = overlapping("first", json!({ "name": "off", "type": "int" })).unwrap();
    let schema = schema(&[("age", "int"), ("level", "enum(BASIC, VIP)")]);
    let facts = schema.facts().set("age", 17).set("level", "BASIC").build().unwrap();
    let near = table.near_misses(&facts, &mut meter()).unwrap();
    let told: Vec<String> = near.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["row 1: age is 17, wanted >= 18", "row 2: level is BASIC, wanted 'VIP'", "row 3: age is 17, wanted [60..99]"]
    );
}

#[test]
fn cells_may_be_lists_conditions_and_dates() {
    let schema = schema(&[("name", "text"), ("n", "int"), ("at", "date-time"), ("tags", "list(text)")]);
    let def = json!({ "id": "t", "hit-policy": "R",
        "inputs": [{ "expression": "name" }, { "expression": "n" }, { "expression": "at" }, { "expression": "len(tags)" }],
        "outputs": [{ "name": "x", "type": "int" }],
        "rows": [
            { "when": ["'a', 'b'", "1, [5..7]", "", ""], "then": [0] },
            { "when": ["startsWith($, 'a')", "", "", "> 0"], "then": [1] },
            { "when": ["", "not in [1, 2]", "< d('2026-01-01T00:00:00Z')", ""], "then": [2] },
            { "when": ["", "$ % 2 == 0 and $ > 3", "", "n"], "then": ["n * 2"] },
        ] });
    let table = table(def, &schema).unwrap();
    let rows = |name: &str, n: i64, at: &str, tags: &[&str]| {
        let facts = json!({ "name": name, "n": n, "at": at, "tags": tags });
        table.decide(&schema.facts_from_json(&facts).unwrap(), &mut meter()).unwrap().rows().to_vec()
    };
    assert_eq!(rows("b", 6, "2026-01-01T00:00:00Z", &[]), [0]);
    assert_eq!(rows("ab", 6, "2026-01-01T07:59:59+08:00", &["x"]), [1, 2]);
    assert_eq!(rows("c", 4, "2026-01-02T00:00:00Z", &["1", "2", "3", "4"]), [3]);
    assert_eq!(rows("a", 1, "2025-01-02T00:00:00Z", &[]), [0]);
}
