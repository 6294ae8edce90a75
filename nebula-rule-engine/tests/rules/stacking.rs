use nebula_rule_engine::{Basket, Detail, Line, RuleSet};
use serde_json::json;

use crate::common::{basket, def, gold, meter, one_group, price};

fn three(stacking: &str) -> RuleSet {
    let rules = json!([
        { "id": "ten", "group": "g", "order": 2, "then": { "percent-off": 10 } },
        { "id": "fifty", "group": "g", "order": 1, "then": { "amount-off": 50 } },
        { "id": "vip", "group": "g", "order": 0, "when": "level == 'VIP'", "then": { "percent-off": 90 } },
    ]);
    RuleSet::compile(&one_group(stacking, rules)).unwrap()
}

#[test]
fn best_takes_what_is_cheapest() {
    let set = three("best");
    let dear = price(&set, &basket(&[("600", 1, "")]));
    assert_eq!((dear.fired(), dear.total.to_string()), (vec!["ten"], "540.00 CNY".into()));
    assert_eq!(dear.trace.passed_over[0].rule, "fifty");
    let cheap = price(&set, &basket(&[("400", 1, "")]));
    assert_eq!((cheap.fired(), cheap.total.to_string()), (vec!["fifty"], "350.00 CNY".into()));
    // Equal: the first in order.
    assert_eq!(price(&set, &basket(&[("500", 1, "")])).fired(), ["fifty"]);
}

#[test]
fn first_takes_the_first_that_applies() {
    assert_eq!(price(&three("first"), &basket(&[("600", 1, "")])).fired(), ["fifty"]);
}

#[test]
fn accumulate_computes_each_on_what_the_group_found() {
    let priced = price(&three("accumulate"), &basket(&[("600", 1, "")]));
    assert_eq!((priced.fired(), priced.total.to_string()), (vec!["fifty", "ten"], "490.00 CNY".into()));
    // Together more than the price: what is left is zero, and the later rule is the one that is shortened.
    let priced = price(&three("accumulate"), &basket(&[("52", 1, "")]));
    assert_eq!(priced.total.to_string(), "0.00 CNY");
    assert_eq!(priced.trace.steps[1].change.to_string(), "-2.00 CNY");
}

#[test]
fn cap_shortens_all_in_proportion_and_exactly() {
    let mut def = one_group(
        "cap",
        json!([
            { "id": "a", "group": "g", "order": 1, "then": { "percent-off": 10 } },
            { "id": "b", "group": "g", "order": 2, "then": { "percent-off": 20 } },
        ]),
    );
    def.phases[0].groups[0].limit = serde_json::from_value(json!({ "percent": 10 })).unwrap();
    let set = RuleSet::compile(&def).unwrap();
    let priced = price(&set, &basket(&[("33.33", 1, ""), ("66.68", 1, "")]));
    let changes: Vec<String> = priced.trace.steps.iter().map(|step| step.change.to_string()).collect();
    // 10 % of 100.01, down: 10.00; divided as 10.00 to 20.00.
    assert_eq!(changes, ["-3.33 CNY", "-6.67 CNY"]);
    assert_eq!(priced.total.to_string(), "90.01 CNY");
    assert!(priced.trace.steps[0].arithmetic.contains("limit of 10.00"), "{:?}", priced.trace.steps[0]);
}

fn phases(first: &str, second: &str) -> RuleSet {
    RuleSet::compile(&def(json!({
        "name": "shop", "currency": "CNY",
        "facts": { "level": "enum(BASIC, GOLD, VIP)", "age": "int" },
        "phases": [
            { "id": "sale", "groups": [{ "id": "a", "stacking": first }, { "id": "b", "stacking": second }] },
            { "id": "later", "groups": [{ "id": "c" }] },
        ],
        "rules": [
            { "id": "one", "group": "a", "order": 1, "then": { "percent-off": 10 } },
            { "id": "two", "group": "b", "order": 1, "then": { "percent-off": 20 } },
            { "id": "three", "group": "c", "order": 1, "when": "basket.total < 80", "then": { "percent-off": 50 } },
        ],
    })))
    .unwrap()
}

fn hundred(set: &RuleSet) -> (String, String, usize) {
    let basket = Basket::new([Line::new("l0", "100 CNY".parse().unwrap(), 1)]);
    let priced = set.price(&gold(set), &basket, &mut meter(), Detail::Full).unwrap();
    (priced.fired().join(" "), priced.total.to_string(), priced.trace.passed_over.len())
}

#[test]
fn exclusive_is_alone_in_its_phase() {
    assert_eq!(hundred(&phases("exclusive", "best")), ("one".into(), "90.00 CNY".into(), 1));
    assert_eq!(hundred(&phases("best", "exclusive")), ("one".into(), "90.00 CNY".into(), 1));
}

#[test]
fn groups_and_phases_build_on_one_another() {
    assert_eq!(hundred(&phases("best", "best")), ("one two three".into(), "36.00 CNY".into(), 0));
}

#[test]
fn the_order_of_writing_changes_nothing() {
    let rules = [
        json!({ "id": "a", "group": "g", "order": 1, "then": { "percent-off": "33.3" } }),
        json!({ "id": "b", "group": "g", "order": 2, "then": { "amount-off": "7.77" } }),
        json!({ "id": "c", "group": "g", "order": 3, "lines": "line.category == 'x'", "then": { "amount-off-each": 2 } }),
    ];
    let basket = basket(&[("10.01", 3, "x"), ("0.99", 2, "y"), ("5", 1, "x")]);
    for stacking in ["best", "first", "exclusive", "accumulate"] {
        let mut seen = Vec::new();
        for [a, b, c] in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let set = RuleSet::compile(&one_group(stacking, json!([rules[a], rules[b], rules[c]]))).unwrap();
            let priced = price(&set, &basket);
            seen.push((priced.total, priced.lines, priced.trace));
        }
        assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{stacking}");
    }
}
