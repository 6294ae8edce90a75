//! Floors and caps, shown for all facts and baskets.

use nebula_rule_engine::{BoundCheck, BoundsProof, RuleSet, RuleSetDef};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::common::{def, meter};

fn set(floor: &str, groups: Json, rules: Json) -> RuleSetDef {
    def(json!({
        "name": "shop", "currency": "CNY", "floor": floor,
        "facts": { "level": "enum(BASIC, GOLD, VIP)", "age": "int", "now": "date-time" }, "clock": "now",
        "line-facts": { "category": { "type": "text", "default": "" } },
        "tables": [{ "id": "season", "inputs": [{ "expression": "now.month()" }],
            "outputs": [{ "name": "percent", "type": "decimal", "default": 0 }],
            "rows": [{ "when": ["[11..12]"], "then": [10] }, { "when": ["[6..8]"], "then": ["2.5"] }] }],
        "phases": groups, "rules": rules,
    }))
}

fn one(stacking: &str) -> Json {
    json!([{ "id": "p", "groups": [{ "id": "g", "stacking": stacking }] }])
}

fn prove(def: &RuleSetDef) -> BoundsProof {
    RuleSet::compile(def).unwrap_or_else(|error| panic!("{error}")).prove_bounds()
}

fn rule(id: &str, order: i64, when: &str, then: Json) -> Json {
    json!({ "id": id, "group": "g", "order": order, "when": when, "then": then })
}

#[test]
fn what_stays_above_the_floor_is_proven() {
    for (floor, stacking, rules) in [
        // Never together: 40 and 30 are for different levels.
        (
            "basket.subtotal * 0.6",
            "accumulate",
            json!([
                rule("a", 1, "level == 'VIP'", json!({ "percent-off": 40 })),
                rule("b", 2, "level == 'GOLD'", json!({ "percent-off": 30 })),
            ]),
        ),
        // The best of them, never both.
        (
            "basket.subtotal * 0.6",
            "best",
            json!([
                rule("a", 1, "true", json!({ "percent-off": 40 })),
                rule("b", 2, "age > 3", json!({ "percent-off": 30 })),
            ]),
        ),
        // Fifty off from three hundred on is a sixth at most.
        (
            "basket.subtotal * 5 / 6 - 1",
            "best",
            json!([rule("a", 1, "basket.subtotal >= 300", json!({ "amount-off": 50 })),]),
        ),
        // The same by tiers.
        (
            "basket.subtotal * 0.8",
            "best",
            json!([rule(
                "a",
                1,
                "true",
                json!({ "tiers": { "by": "amount", "steps": [
            { "from": 100, "then": { "amount-off": 10 } }, { "from": 500, "then": { "amount-off": 100 } },
        ] } })
            )]),
        ),
        // One of three is free: a third of the price at most.
        ("basket.subtotal * 0.66", "best", json!([rule("a", 1, "true", json!({ "buy-get": { "buy": 2, "get": 1 } }))])),
        // The table gives ten per cent at most.
        ("basket.subtotal * 0.9", "best", json!([rule("a", 1, "true", json!({ "percent-off": "season.percent" }))])),
        // Only the first applies, and it always does.
        (
            "basket.subtotal * 0.9",
            "first",
            json!([
                rule("a", 1, "true", json!({ "percent-off": 10 })),
                rule("b", 2, "true", json!({ "percent-off": 90 })),
            ]),
        ),
        // Whatever the rules are, the price is not negative.
        (
            "0",
            "accumulate",
            json!([
                rule("a", 1, "true", json!({ "amount-off": 1000 })),
                rule("b", 2, "true", json!({ "amount-off-each": 20 })),
            ]),
        ),
        // A price per unit that is the floor.
        ("10", "best", json!([rule("a", 1, "true", json!({ "price-each": 10 }))])),
    ] {
        let proof = prove(&set(floor, one(stacking), rules.clone()));
        assert_eq!(proof.floor, Some(BoundCheck::Holds), "{floor} {rules}");
        assert!(proof.holds() && proof.cap.is_none());
    }
}

#[test]
fn a_group_with_a_limit_is_held_by_it() {
    let groups = |limit: Json| json!([{ "id": "p", "groups": [{ "id": "g", "stacking": "cap", "limit": limit }] }]);
    let rules =
        json!(
            [rule("a", 1, "true", json!({ "percent-off": 40 })), rule("b", 2, "true", json!({ "amount-off": 500 })),]
        );
    assert!(prove(&set("basket.subtotal * 0.8", groups(json!({ "percent": 20 })), rules.clone())).holds());
    assert!(prove(&set("basket.subtotal - 30", groups(json!({ "amount": 30 })), rules.clone())).holds());
    assert!(!prove(&set("basket.subtotal * 0.8", groups(json!({ "percent": 21 })), rules)).holds());
}

#[test]
fn what_passes_the_floor_is_shown_with_facts_and_the_order_of_rules() {
    let groups = json!([
        { "id": "first", "groups": [{ "id": "g", "stacking": "best" }] },
        { "id": "second", "groups": [{ "id": "h", "stacking": "accumulate" }] },
    ]);
    let rules = json!([
        rule("winter", 1, "season.percent == 10", json!({ "percent-off": "season.percent" })),
        { "id": "books", "group": "h", "order": 1, "lines": "line.category == 'book'", "then": { "percent-off": 20 } },
        { "id": "old", "group": "h", "order": 2, "when": "age >= 60 and age % 2 == 1", "then": { "percent-off": 20 } },
    ]);
    // 0.9 * 0.6 = 0.54.
    let def = set("basket.subtotal * 0.55", groups.clone(), rules.clone());
    let proof = prove(&def);
    let (name, example) = proof.counter_examples().next().unwrap_or_else(|| panic!("{proof}"));
    assert_eq!((name, example.rules.join(" ")), ("floor", "winter books old".into()), "{proof}");
    assert_eq!((example.facts["age"].as_i64().unwrap() % 2, &example.lines[0].facts["category"]), (1, &json!("book")));
    let told = proof.to_string();
    assert!(told.contains("by winter, then books, then old"), "{told}");

    // It is a purchase that can be made, and the floor cuts it short.
    let set = RuleSet::compile(&def).unwrap();
    let facts = set.schema().facts_from_json(&example.facts).unwrap();
    let lines = example.lines.iter().map(|line| {
        nebula_rule_engine::Line::new(line.id.clone(), line.price, line.quantity).with_json(line.facts.clone())
    });
    let basket = nebula_rule_engine::Basket::new(lines);
    let priced = set.price(&facts, &basket, &mut meter(), Default::default()).unwrap();
    assert_eq!((priced.fired().last(), priced.total), (Some(&"floor"), example.bound));

    assert!(prove(&self::set("basket.subtotal * 0.54", groups, rules)).holds());
}

#[test]
fn a_table_may_say_another_thing_in_each_phase() {
    let half = |floor: &str, table: &str| {
        def(json!({ "name": "s", "currency": "CNY", "floor": floor,
            "tables": [{ "id": "high", "inputs": [{ "expression": table }], "outputs": [{ "name": "is", "type": "bool", "default": "false" }],
                "rows": [{ "when": [">= 100"], "then": ["true"] }] }],
            "phases": [{ "id": "one", "groups": [{ "id": "a" }] }, { "id": "two", "groups": [{ "id": "b", "stacking": "first" }] }],
            "rules": [
                { "id": "high", "group": "a", "order": 1, "when": "high.is", "then": { "percent-off": 30 } },
                { "id": "low", "group": "b", "order": 1, "when": "not high.is", "then": { "percent-off": 30 } },
            ] }))
    };
    // From 100 the first rule leaves 70, for which the table says the other thing: 49.
    let proof = prove(&half("basket.subtotal * 0.5", "basket.total"));
    assert!(!proof.holds(), "{proof}");
    assert!(prove(&half("basket.subtotal * 0.49", "basket.total")).holds());
    // What tables make of the price before any rule stays.
    assert!(prove(&half("basket.subtotal * 0.7", "basket.subtotal")).holds());
}

#[test]
fn caps_are_proven_and_passed_too() {
    let with_cap = |cap: &str, rules: Json| {
        let mut def = set("0", one("accumulate"), rules);
        def.cap = Some(cap.into());
        prove(&def).cap.unwrap()
    };
    let rules = json!([
        rule("night", 1, "now.hour() >= 20", json!({ "percent-on": 25 })),
        rule("fee", 2, "true", json!({ "amount-on": 5 })),
        rule("off", 3, "true", json!({ "percent-off": 90 })),
    ]);
    assert_eq!(with_cap("basket.subtotal * 1.25 + 5", rules.clone()), BoundCheck::Holds);
    let BoundCheck::Broken(example) =
        with_cap("basket.subtotal * 1.2 + 5", json!([rules[0].clone(), rules[1].clone()]))
    else {
        panic!("a quarter is more than a fifth");
    };
    assert_eq!(example.rules, ["night", "fee"]);
    assert!(example.total.amount() > example.bound.amount());
}

#[test]
fn what_is_not_known_is_said() {
    // Two conditions that exclude one another, and no index knows.
    let rules = json!([
        rule("even", 1, "age % 2 == 0", json!({ "percent-off": 30 })),
        rule("odd", 2, "age % 2 == 1", json!({ "percent-off": 30 })),
    ]);
    let proof = prove(&set("basket.subtotal * 0.6", one("accumulate"), rules));
    let Some(BoundCheck::Unknown(why)) = &proof.floor else { panic!("{proof}") };
    assert!(why.contains("even, then odd might pass it"), "{why}");
    assert!(!proof.holds());
}

#[test]
fn many_rules_end_in_time() {
    let rules: Vec<Json> = (0..400)
        .map(|place| {
            let when = format!("age >= {} and basket.subtotal >= {} and level != 'VIP'", place, place * 7 % 300);
            rule(&format!("r{place}"), place, &when, json!({ "percent-off": place % 30 }))
        })
        .collect();
    assert!(prove(&set("basket.subtotal * 0.7", one("best"), json!(rules))).holds());
    let proof = prove(&set("basket.subtotal * 0.75", one("best"), json!(rules)));
    assert_eq!(proof.counter_examples().count(), 1, "{proof}");
}

fn action() -> impl Strategy<Value = Json> {
    prop_oneof![
        (0_u32..60).prop_map(|it| json!({ "percent-off": it })),
        (0_u32..60).prop_map(|it| json!({ "amount-off": it })),
        (0_u32..9).prop_map(|it| json!({ "amount-off-each": it })),
        (0_u32..40).prop_map(|it| json!({ "price-each": it })),
        (0_u32..60).prop_map(|it| json!({ "percent-on": it })),
        (1_u32..4, 0_u32..=100).prop_map(|(buy, it)| json!({ "buy-get": { "buy": buy, "get": 1, "percent": it } })),
        (20_u32..90, 1_u32..60)
            .prop_map(|(from, off)| json!({ "tiers": { "by": "amount", "steps": [{ "from": from, "then": { "amount-off": off } }] } })),
        (0_u32..50).prop_map(|price| json!({ "bundle": { "price": price, "parts": [{ "lines": "true", "quantity": 2 }] } })),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("true".to_owned()),
        (0_i64..4).prop_map(|n| format!("age >= {n}")),
        (0_usize..3).prop_map(|it| format!("level == '{}'", ["BASIC", "GOLD", "VIP"][it])),
        (0_i64..3).prop_map(|n| format!("age % 3 == {n}")),
        (0_i64..300).prop_map(|n| format!("basket.subtotal >= {n}")),
        (0_i64..300).prop_map(|n| format!("basket.total < {n}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Whatever is proven, random purchases do not pass.
    #[test]
    fn nothing_passes_what_is_proven(
        rules in proptest::collection::vec((0_usize..3, condition(), action(), any::<bool>()), 1..6),
        kinds in proptest::collection::vec(0_usize..5, 3),
        floor in 30_u32..100, cap in 100_u32..170,
        purchases in proptest::collection::vec((0_u32..40_000, 1_u32..6, 0_u32..9_000, 0_i64..6, 0_usize..3), 12),
    ) {
        let stackings = ["best", "first", "exclusive", "accumulate", "cap"];
        let group = |place: usize| {
            let mut group = json!({ "id": format!("g{place}"), "stacking": stackings[kinds[place]] });
            if kinds[place] == 4 {
                group["limit"] = json!({ "percent": 15 });
            }
            group
        };
        let rules: Vec<Json> = rules.into_iter().enumerate().map(|(order, (group, when, then, some))| {
            let mut rule = json!({ "id": format!("r{order}"), "group": format!("g{group}"), "order": order, "when": when, "then": then });
            if some {
                rule["lines"] = json!("line.category == 'x'");
            }
            rule
        }).collect();
        let mut json = serde_json::to_value(set(&format!("basket.subtotal * {floor} / 100"), one("best"), json!([]))).unwrap();
        json["cap"] = json!(format!("basket.subtotal * {cap} / 100"));
        json["phases"] = json!([{ "id": "one", "groups": [group(0), group(1)] }, { "id": "two", "groups": [group(2)] }]);
        json["rules"] = json!(rules);
        let Ok(set) = RuleSet::compile(&def(json)) else { return Ok(()) };
        let proof = set.prove_bounds();
        let dust = proof.rounding.amount();
        for (price, quantity, other, age, level) in purchases {
            let level = ["BASIC", "GOLD", "VIP"][level];
            let facts = json!({ "level": level, "age": age, "now": "2026-01-01T00:00:00Z" });
            let facts = set.schema().facts_from_json(&facts).unwrap();
            let amount = |fen: u32| format!("{}.{:02}", fen / 100, fen % 100);
            let basket = crate::common::basket(&[(&amount(price), quantity, "x"), (&amount(other), 1, "y")]);
            let priced = set.price(&facts, &basket, &mut meter(), Default::default()).unwrap();
            for step in &priced.trace.steps {
                let check = match step.rule.as_str() {
                    "floor" => &proof.floor,
                    "cap" => &proof.cap,
                    _ => continue,
                };
                let beyond = step.change.amount().abs();
                prop_assert!(*check != Some(BoundCheck::Holds) || beyond <= dust, "{proof}: {:?}", priced.trace);
            }
        }
        // What is said to pass it does.
        for (name, example) in proof.counter_examples() {
            let (total, bound) = (example.total.amount(), example.bound.amount());
            let passed = if name == "floor" { total < bound } else { total > bound };
            prop_assert!(passed);
        }
    }
}
