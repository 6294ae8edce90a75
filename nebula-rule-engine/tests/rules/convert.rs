use nebula_rule_engine::{ErrorKind, RuleSetDef, TableDef};
use serde_json::json;

use crate::common::{meter, schema};

fn sample() -> TableDef {
    serde_json::from_value(json!({
        "id": "fee", "hit-policy": "first",
        "inputs": [{ "expression": "level", "name": "Level" }, { "expression": "seats" }],
        "outputs": [{ "name": "rate", "type": "decimal", "default": 5 }],
        "rows": [{ "id": "vip", "when": ["'VIP', 'GOLD'", "-"], "then": [0] }, { "when": ["", "[4..8)"], "then": ["seats / 2"] }],
    }))
    .unwrap()
}

#[test]
fn csv_json_and_yaml_give_back_what_they_got() {
    let table = sample();
    assert_eq!(TableDef::from_csv(&table.to_csv().unwrap()).unwrap(), table);
    assert_eq!(TableDef::from_json(&table.to_json().unwrap()).unwrap(), table);
    assert_eq!(TableDef::from_yaml(&table.to_yaml().unwrap()).unwrap(), table);
    let mut ranked = table;
    ranked.hit_policy = nebula_rule_engine::HitPolicy::OutputOrder;
    ranked.outputs[0].priorities = vec!["0".into(), "2.5".into()];
    assert_eq!(TableDef::from_csv(&ranked.to_csv().unwrap()).unwrap(), ranked);
    ranked.outputs[0].priorities = vec!["';'".into()];
    assert!(ranked.to_csv().is_err());
}

#[test]
fn csv_as_people_write_it() {
    let table = TableDef::from_csv("U,input,output\nt,age,\"x: enum(A, B)\"\n,< 18,'A'\nold,>= 18,'B'\n").unwrap();
    assert_eq!(
        (table.rows.len(), table.rows[1].id.as_deref(), table.outputs[0].ty.to_string()),
        (2, Some("old"), "enum(A, B)".into())
    );
    for broken in [
        "",
        "first",
        "first,input\n",
        "X,input\nt,age\n",
        "F,inptu\nt,age\n",
        "F,output\nt,age\n",
        "F,input\nt,a,b\n",
        "F,output\nt,x: float\n",
    ] {
        assert_eq!(TableDef::from_csv(broken).unwrap_err().kind(), ErrorKind::Invalid, "{broken:?}");
    }
}

#[test]
fn jdm_there_and_back_decides_the_same() {
    let schema = schema(&[("level", "enum(BASIC, GOLD, VIP)"), ("seats", "int")]);
    let written = sample().to_jdm().unwrap();
    let read = TableDef::from_jdm(&written, Some("fee"), &schema).unwrap();
    let (one, other) = (
        nebula_rule_engine::DecisionTable::compile(&sample(), &schema).unwrap(),
        nebula_rule_engine::DecisionTable::compile(&read, &schema).unwrap(),
    );
    for level in ["BASIC", "GOLD", "VIP"] {
        for seats in 0..10 {
            let facts = schema.facts().set("level", level).set("seats", seats).build().unwrap();
            let (one, other) = (one.decide(&facts, &mut meter()).unwrap(), other.decide(&facts, &mut meter()).unwrap());
            assert_eq!(one.value("rate"), other.value("rate"), "{level} {seats}");
        }
    }
}

#[test]
fn jdm_as_the_editor_writes_it() {
    let schema = schema(&[("company.type", "text"), ("amount", "decimal")]);
    let document = json!({
        "contentType": "application/vnd.gorules.decision",
        "nodes": [
            { "id": "1", "type": "inputNode", "name": "in" },
            { "id": "2", "type": "decisionTableNode", "name": "fees", "content": {
                "hitPolicy": "collect",
                "inputs": [{ "id": "a", "name": "Type", "type": "expression", "field": "company.type" }, { "id": "b", "name": "Any" }],
                "outputs": [{ "id": "x", "name": "Fee", "type": "expression", "field": "fee" }],
                "rules": [
                    { "_id": "r1", "a": "'LLC', 'INC'", "b": "", "x": "10" },
                    { "_id": "r2", "_description": "large", "a": "", "b": "amount > 1000 and company.type != 'X'", "x": "amount * 0.5" },
                ],
            } },
        ],
        "edges": [],
    })
    .to_string();
    let def = TableDef::from_jdm(&document, None, &schema).unwrap();
    let table = nebula_rule_engine::DecisionTable::compile(&def, &schema).unwrap();
    let rows = |ty: &str, amount: i64| {
        let facts = schema.facts().set("company.type", ty).set("amount", amount).build().unwrap();
        table.decide(&facts, &mut meter()).unwrap().rows().to_vec()
    };
    assert_eq!(
        (rows("LLC", 5), rows("INC", 2000), rows("X", 2000), rows("Y", 1001)),
        (vec![0], vec![0, 1], vec![], vec![1])
    );
    for broken in ["", "[]", "{}", "{\"nodes\":[]}", "{\"nodes\":[{\"type\":\"decisionTableNode\"}]}"] {
        assert_eq!(TableDef::from_jdm(broken, None, &schema).unwrap_err().kind(), ErrorKind::Invalid, "{broken}");
    }
}

#[test]
fn rule_sets_in_yaml_and_json_are_one_version() {
    let yaml = "
name: shop
currency: CNY
facts:
  level: enum(BASIC, VIP)
  first: { type: bool, default: false }
phases:
  - id: sale
    groups: [{ id: g, stacking: best }]
rules:
  - { id: vip, group: g, order: 1, when: level == 'VIP', then: { percent-off: '12.5' } }
";
    let json = json!({
        "rules": [{ "id": "vip", "group": "g", "order": 1, "when": "level == 'VIP'", "then": { "percent-off": "12.5" } }],
        "phases": [{ "id": "sale", "groups": [{ "id": "g" }] }],
        "facts": { "first": { "default": false, "type": "bool" }, "level": "enum(BASIC, VIP)" },
        "currency": "CNY", "name": "shop",
    });
    let (yaml, json) = (RuleSetDef::from_yaml(yaml).unwrap(), RuleSetDef::from_json(&json.to_string()).unwrap());
    assert_eq!(yaml, json);
    let version = |def| nebula_rule_engine::RuleSet::compile(def).unwrap().version().clone();
    assert_eq!(version(&yaml), version(&json));
    let mut other = json.clone();
    other.rules[0].order = 2;
    assert_ne!(version(&yaml), version(&other));
    assert!(
        RuleSetDef::from_yaml("name: shop\ncurrency: CNY\nphases: []\nfloor: 0.1\n")
            .unwrap_err()
            .to_string()
            .contains("in quotes")
    );
    assert!(RuleSetDef::from_json("{\"name\":\"a\",\"currency\":\"CNY\",\"phases\":[],\"flor\":1}").is_err());
}
