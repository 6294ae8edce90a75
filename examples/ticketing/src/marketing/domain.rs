//! What rules may know, and which rules may be in force.

use std::collections::BTreeMap;

use nebula_rule_engine::{Currency, Error, ErrorKind, FactDef, Problem as Finding, Rounding, RuleSet, RuleSetDef};
use serde_json::json;

/// The longest text of rules, in bytes.
pub(super) const MAX_TEXT: usize = 60 * 1024;

/// What rules know of a purchase.
const FACTS: [(&str, &str); 7] = [
    ("now", "date-time"),
    ("starts_at", "date-time"),
    ("hours_to_start", "int"),
    ("seats", "int"),
    ("buyer", "enum(NORMAL, VIP)"),
    ("session", "text"),
    ("show", "text"),
];
/// What they know of each seat, besides its price.
const LINE_FACTS: [(&str, &str); 2] = [("category", "text"), ("zone", "text")];

/// The names that coupons have among rules, which no rule of a merchant has.
pub(super) const OWN: &str = "nebula-coupon";

fn facts(list: &[(&str, &str)]) -> Result<BTreeMap<String, FactDef>, Error> {
    let fact = |(name, ty): &(&str, &str)| {
        let ty = serde_json::from_value(json!(ty));
        let ty = ty.map_err(|error| Error::new(ErrorKind::Invalid, "a fact of the platform").with_source(error));
        Ok(((*name).to_owned(), FactDef::Required(ty?)))
    };
    list.iter().map(fact).collect()
}

/// Rules with what the platform says about a purchase.
fn known(mut def: RuleSetDef) -> Result<RuleSetDef, Error> {
    def.facts = facts(&FACTS)?;
    def.line_facts = facts(&LINE_FACTS)?;
    def.clock = Some("now".to_owned());
    Ok(def)
}

/// The rules of a merchant without any: list prices, and something is always left to be paid.
///
/// # Errors
///
/// Never with the currencies of the platform.
pub(super) fn list_prices(merchant: &str, currency: &str) -> Result<RuleSetDef, Error> {
    known(RuleSetDef {
        name: merchant.to_owned(),
        currency: Currency::new(currency)?,
        rounding: Rounding::default(),
        facts: BTreeMap::new(),
        line_facts: BTreeMap::new(),
        clock: None,
        floor: Some("0.01".into()),
        cap: None,
        tables: Vec::new(),
        phases: Vec::new(),
        rules: Vec::new(),
        tests: Vec::new(),
    })
}

/// Rules that may be put in force: the platform's facts, a floor, tests that pass, and a proof that no purchase passes the
/// floor or the cap.
///
/// # Errors
///
/// Everything that was found, with its place.
pub(super) fn compile(merchant: &str, text: &str) -> Result<RuleSet, Error> {
    if text.len() > MAX_TEXT {
        return Err(Error::new(ErrorKind::TooLarge, format!("rules have at most {MAX_TEXT} bytes")));
    }
    let mut def = RuleSetDef::from_yaml(text)?;
    merchant.clone_into(&mut def.name);
    let mut findings = Vec::new();
    for (place, given) in [("facts", &def.facts), ("line-facts", &def.line_facts)] {
        if !given.is_empty() {
            findings.push(Finding::error(place, "the platform says what rules may know: leave this out"));
        }
    }
    if def.clock.is_some() {
        findings.push(Finding::error("clock", "the platform's clock is `now`: leave this out"));
    }
    if def.floor.is_none() {
        findings.push(Finding::error("floor", "rules need a floor, for example `basket.subtotal * 0.5`"));
    }
    let groups = def.phases.iter().flat_map(|phase| &phase.groups).map(|group| &group.id);
    let phases = def.phases.iter().map(|phase| &phase.id);
    if def.rules.iter().map(|rule| &rule.id).chain(groups).chain(phases).any(|id| id == OWN) {
        findings.push(Finding::error("rules", format!("`{OWN}` is the platform's own name")));
    }
    if !findings.is_empty() {
        return Err(Error::invalid("these rules", findings));
    }
    let set = RuleSet::compile(&known(def)?)?;
    set.test()?;
    let proof = set.prove_bounds();
    if proof.holds() {
        return Ok(set);
    }
    Err(Error::invalid("these rules", vec![Finding::error("floor", proof.to_string().trim_end())]))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) const GOOD: &str = "
name: x
currency: CNY
floor: basket.subtotal * 0.5
phases: [{ id: sale, groups: [{ id: all }] }]
rules:
  - { id: four, title: Four and more, group: all, order: 1, when: seats >= 4, then: { percent-off: 10 } }
  - { id: vip, group: all, order: 2, when: buyer == 'VIP', lines: line.category == 'Stalls', then: { percent-off: 20 } }
";

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        assert_eq!(compile("star", GOOD).unwrap().definition().name, "star");
        for (from, to, place) in [
            ("floor: basket.subtotal * 0.5", "", "floor"),
            ("name: x", "name: x\nclock: now", "clock"),
            ("name: x", "name: x\nfacts: { age: int }", "facts"),
            ("seats >= 4", "sets >= 4", "rules.four.when"),
            ("percent-off: 20", "percent-off: 60", "floor"),
        ] {
            let error = compile("star", &GOOD.replace(from, to)).unwrap_err();
            assert!(error.problems().iter().any(|found| found.place.starts_with(place)), "{place}: {error}");
        }
        assert_eq!(compile("star", "rules: [").unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(compile("star", &" ".repeat(MAX_TEXT + 1)).unwrap_err().kind(), ErrorKind::TooLarge);
    }
}
