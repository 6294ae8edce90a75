use nebula_rule_engine::{Basket, Line, RuleEngine};

/// A set that takes `percent` off, twice, so that a mix of two sets shows.
pub(crate) fn rules(percent: u32) -> String {
    format!(
        r#"{{ "name": "shop", "currency": "CNY",
        "phases": [{{ "id": "a", "groups": [{{ "id": "one" }}] }}, {{ "id": "b", "groups": [{{ "id": "two" }}] }}],
        "rules": [
            {{ "id": "one", "group": "one", "order": 1, "then": {{ "percent-off": {percent} }} }},
            {{ "id": "two", "group": "two", "order": 1, "then": {{ "percent-off": {percent} }} }}
        ] }}"#
    )
}

pub(crate) fn total(engine: &RuleEngine) -> String {
    let facts = engine.current().schema().facts().build().unwrap();
    let basket = Basket::new([Line::new("a", "100 CNY".parse().unwrap(), 1)]);
    engine.price(&facts, &basket).unwrap().total.to_string()
}
