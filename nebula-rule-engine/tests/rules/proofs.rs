use nebula_rule_engine::{Detail, ErrorKind, OnBudget, PriceProof, Published, RuleEngine, RuleSet};
use serde_json::json;

use crate::common::{basket, gold, meter, one_group};

fn rules() -> nebula_rule_engine::RuleSetDef {
    let mut def = one_group(
        "best",
        json!([
            { "id": "ten", "group": "g", "order": 1, "title": "Ten off", "when": "level == 'GOLD'", "then": { "percent-off": 10 } },
            { "id": "old", "group": "g", "order": 2, "when": "level == 'GOLD' and age >= 60", "then": { "percent-off": 50 } },
            { "id": "odd", "group": "g", "order": 3, "when": "age % 2 == 1", "then": { "percent-off": 70 } },
        ]),
    );
    def.tests = serde_json::from_value(json!([
        { "name": "gold", "facts": { "level": "GOLD", "age": 2 }, "lines": [{ "id": "a", "price": "10 CNY" }], "total": "9 CNY", "fired": ["ten"] },
    ]))
    .unwrap();
    def
}

#[test]
fn a_proof_replays_byte_for_byte() {
    let set = RuleSet::compile(&rules()).unwrap();
    let basket = basket(&[("33.33", 3, "book"), ("0.01", 1, "")]);
    let proof = set.prove(&gold(&set), &basket, &mut meter()).unwrap();
    let bytes = proof.to_bytes().unwrap();
    let read = PriceProof::from_bytes(&bytes).unwrap();
    read.replay(&set, &mut meter()).unwrap();
    // Another process compiles the set anew, perhaps from YAML.
    let again =
        RuleSet::compile(&nebula_rule_engine::RuleSetDef::from_json(&rules().to_json().unwrap()).unwrap()).unwrap();
    read.replay(&again, &mut meter()).unwrap();
    assert_eq!((read.to_bytes().unwrap(), read.digest().unwrap()), (bytes, proof.digest().unwrap()));
    assert_eq!(read.priced().total.to_string(), "90.00 CNY");
}

#[test]
fn a_proof_that_was_changed_does_not_replay() {
    let set = RuleSet::compile(&rules()).unwrap();
    let proof = set.prove(&gold(&set), &basket(&[("100", 1, "")]), &mut meter()).unwrap();
    let text = String::from_utf8(proof.to_bytes().unwrap()).unwrap();
    for (from, to) in [
        ("\"total\":\"90.00 CNY\"", "\"total\":\"80.00 CNY\""),
        ("\"total\":\"90.00 CNY\"", "\"total\":\"90.0 CNY\""),
        ("\"price\":\"100.00 CNY\"", "\"price\":\"101.00 CNY\""),
        ("GOLD", "VIP"),
        ("GOLD", "SILVER"),
        ("\"age\":30", "\"age\":31"),
        ("10 % of", "11 % of"),
        ("\"rule\":\"ten\"", "\"rule\":\"old\""),
        (set.version().as_str(), "0000"),
    ] {
        assert!(text.contains(from), "{from} in {text}");
        let forged = PriceProof::from_bytes(text.replacen(from, to, 1).as_bytes()).unwrap();
        if forged == proof {
            continue; // Another way to write the same amount.
        }
        let error = forged.replay(&set, &mut meter()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ProofMismatch, "{from}: {error}");
    }
    for broken in ["", "{}", "[1]", "\u{0}"] {
        assert_eq!(PriceProof::from_bytes(broken.as_bytes()).unwrap_err().kind(), ErrorKind::ProofMismatch);
    }
}

#[test]
fn an_explanation_has_titles_arithmetic_and_near_misses() {
    let set = RuleSet::compile(&rules()).unwrap();
    let priced = set.price(&gold(&set), &basket(&[("300", 1, "")]), &mut meter(), Detail::Full).unwrap();
    assert_eq!(
        set.explain(&priced),
        "300.00 CNY before any rule\n  -30.00 CNY  Ten off (ten, best of `g`): 10 % of 300.00 CNY\n270.00 CNY to pay\n\
         not `old`: age is 30, wanted >= 60\nnot `odd`: does not hold: age % 2 == 1\n"
    );
}

#[test]
fn detail_changes_no_price() {
    let set = RuleSet::compile(&rules()).unwrap();
    let basket = basket(&[("33.33", 3, "book")]);
    let lines = |detail| set.price(&gold(&set), &basket, &mut meter(), detail).unwrap().lines;
    assert_eq!(lines(Detail::Off), lines(Detail::Full));
    assert!(set.price(&gold(&set), &basket, &mut meter(), Detail::Off).unwrap().trace.steps.is_empty());
}

#[test]
fn a_set_that_fails_its_tests_is_not_published() {
    let engine = RuleEngine::new(&rules()).unwrap();
    let version = engine.current().version().clone();
    let mut dearer = rules();
    dearer.rules[0].then = serde_json::from_value(json!({ "percent-off": 5 })).unwrap();
    let error = engine.publish(&dearer).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TestFailed);
    assert!(error.to_string().contains("tests.gold: costs 9.50 CNY and not 9.00 CNY (ten)"), "{error}");
    assert_eq!(*engine.current().version(), version);
    assert_eq!(engine.roll_back().unwrap_err().kind(), ErrorKind::NotFound);
    dearer.tests.clear();
    assert_ne!(engine.publish(&dearer).unwrap().version(), &version);
    assert_eq!(engine.roll_back().unwrap().version(), &version);
}

#[test]
fn new_rules_are_tried_on_recorded_prices() {
    let engine = RuleEngine::new(&rules()).unwrap();
    let facts = gold(&engine.current());
    let record = |price: &str| engine.prove(&facts, &basket(&[(price, 1, "")])).unwrap();
    let recorded = [record("100"), record("300"), record("0")];
    let with = |percent: u32| {
        let mut def = rules();
        def.tests.clear();
        def.rules[0].then = serde_json::from_value(json!({ "percent-off": percent })).unwrap();
        def
    };
    let two = 2.into();
    let Published::Refused(shadow) = engine.publish_after_shadow(&with(13), &recorded, two).unwrap() else {
        panic!("too much of a change");
    };
    assert_eq!((shadow.decisions, shadow.changed, shadow.failed), (3, 2, 0));
    assert_eq!((shadow.before.to_string(), shadow.after.to_string()), ("360.00 CNY".into(), "348.00 CNY".into()));
    assert_eq!(shadow.examples[1].after.as_ref().unwrap().to_string(), "261.00 CNY");
    assert_eq!(engine.price(&facts, &basket(&[("100", 1, "")])).unwrap().total.to_string(), "90.00 CNY");
    // 360 to 356 is 1.1 per cent.
    assert!(matches!(engine.publish_after_shadow(&with(11), &recorded, two).unwrap(), Published::InForce(_)));
    assert_eq!(engine.price(&facts, &basket(&[("100", 1, "")])).unwrap().total.to_string(), "89.00 CNY");
    // Rules that ask for a fact which was not recorded cannot price what was.
    let mut asks = with(11);
    asks.facts.insert("city".into(), serde_json::from_value(json!("text")).unwrap());
    let Published::Refused(shadow) = engine.publish_after_shadow(&asks, &recorded, 100.into()).unwrap() else {
        panic!("there is no price");
    };
    assert!(shadow.failed == 3 && shadow.examples[0].after.as_ref().unwrap_err().contains("`city` is missing"));
}

#[test]
fn whoever_prefers_the_list_price_gets_it_and_is_told() {
    let starved = nebula_rule_engine::Budget::default().with_cells(3);
    let engine = RuleEngine::new(&rules()).unwrap().with_budget(starved);
    let (facts, basket) = (gold(&engine.current()), basket(&[("10", 2, "")]));
    assert_eq!(engine.price(&facts, &basket).unwrap_err().kind(), ErrorKind::CellBudget);
    let open = engine.with_on_budget(OnBudget::ListPrice);
    let priced = open.price(&facts, &basket).unwrap();
    assert_eq!(priced.total.to_string(), "20.00 CNY");
    assert!(priced.trace.passed_over[0].reason.contains("budget of cells"), "{:?}", priced.trace);
    assert!(open.prove(&facts, &basket).is_err());
}

#[test]
fn sets_are_exchanged_while_they_are_asked() {
    let of = |percent: u32| {
        one_group(
            "accumulate",
            json!([
                { "id": "a", "group": "g", "order": 1, "then": { "percent-off": percent } },
                { "id": "b", "group": "g", "order": 2, "then": { "percent-off": percent } },
            ]),
        )
    };
    let engine = RuleEngine::new(&of(10)).unwrap();
    let (ten, twenty) = (engine.current().version().clone(), RuleSet::compile(&of(20)).unwrap().version().clone());
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let (facts, basket) = (gold(&engine.current()), basket(&[("100", 1, "")]));
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let priced = engine.price(&facts, &basket).unwrap();
                    let wanted = if priced.version == ten { "80.00 CNY" } else { "60.00 CNY" };
                    assert!(priced.version == ten || priced.version == twenty);
                    assert_eq!(priced.total.to_string(), wanted);
                }
            });
        }
        for round in 0..200 {
            engine.publish(&of(if round % 2 == 0 { 20 } else { 10 })).unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
