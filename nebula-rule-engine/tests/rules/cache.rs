//! Remembered prices, versions and recorded prices.

use nebula_rule_engine::{Detail, ErrorKind, OnBounds, Recorder, RuleEngine};
use serde_json::json;

use crate::common::{basket, one_group};

fn engine() -> RuleEngine {
    let mut def = one_group(
        "best",
        json!([
            { "id": "old", "group": "g", "order": 1, "when": "age >= 60", "then": { "percent-off": 10 } },
            { "id": "day", "group": "g", "order": 2, "from": "2026-11-11T00:00:00Z", "until": "2026-11-12T00:00:00Z",
              "lines": "line.category == 'book'", "then": { "percent-off": 20 } },
        ]),
    );
    def.facts.insert("now".into(), serde_json::from_value(json!("date-time")).unwrap());
    def.clock = Some("now".into());
    RuleEngine::new(&def).unwrap().with_cache(100)
}

fn total(engine: &RuleEngine, level: &str, age: i64, now: &str) -> String {
    let facts = json!({ "level": level, "age": age, "now": now });
    let facts = engine.current().schema().facts_from_json(&facts).unwrap();
    engine.price(&facts, &basket(&[("100", 1, "book")])).unwrap().total.to_string()
}

#[test]
fn a_price_is_remembered_until_a_window_begins_or_ends_and_no_longer() {
    let engine = engine();
    let remembered = |engine: &RuleEngine| format!("{engine:?}").matches("prices: ").count();
    assert_eq!(remembered(&engine), 1);
    let count = |engine: &RuleEngine| {
        let text = format!("{engine:?}");
        let rest = text.split("prices: ").nth(1).unwrap();
        rest.chars().take_while(char::is_ascii_digit).collect::<String>()
    };
    for (level, age, now, wanted, prices) in [
        ("GOLD", 30, "2026-11-10T23:59:59.999999999Z", "100.00 CNY", "1"),
        // Neither the level nor the exact time is read.
        ("VIP", 30, "2026-11-01T00:00:00+08:00", "100.00 CNY", "1"),
        ("VIP", 30, "2026-11-11T00:00:00Z", "80.00 CNY", "2"),
        ("GOLD", 30, "2026-11-11T23:59:59Z", "80.00 CNY", "2"),
        ("GOLD", 30, "2026-11-12T00:00:00Z", "100.00 CNY", "3"),
        ("GOLD", 61, "2026-11-12T00:00:00Z", "90.00 CNY", "4"),
        ("GOLD", 61, "2026-11-13T00:00:00Z", "90.00 CNY", "4"),
    ] {
        assert_eq!((total(&engine, level, age, now).as_str(), count(&engine).as_str()), (wanted, prices), "{now}");
    }
    // Another version has other prices.
    let mut other = engine.current().definition().clone();
    other.rules[0].then = serde_json::from_value(json!({ "percent-off": 50 })).unwrap();
    engine.publish(&other).unwrap();
    assert_eq!(total(&engine, "GOLD", 61, "2026-11-13T00:00:00Z"), "50.00 CNY");
    engine.roll_back().unwrap();
    assert_eq!(
        (total(&engine, "GOLD", 61, "2026-11-13T00:00:00Z").as_str(), count(&engine).as_str()),
        ("90.00 CNY", "5")
    );
    // Reasons name facts that change no price.
    let full = engine.with_detail(Detail::Full);
    total(&full, "GOLD", 62, "2026-11-13T00:00:00Z");
    assert_eq!(count(&full), "5");
}

#[test]
fn a_full_cache_forgets_what_is_not_asked_for() {
    let engine = engine().with_cache(4);
    for age in 0..50 {
        total(&engine, "GOLD", age, "2026-11-13T00:00:00Z");
        total(&engine, "GOLD", 0, "2026-11-13T00:00:00Z");
    }
    let text = format!("{engine:?}");
    let kept: usize = text.split("prices: ").nth(1).unwrap().chars().next().unwrap().to_digit(10).unwrap() as usize;
    assert!(kept <= 4, "{text}");
}

#[test]
fn earlier_versions_can_be_put_back() {
    let engine = engine();
    let first = engine.current().version().clone();
    let with = |percent: u32| {
        let mut def = engine.current().definition().clone();
        def.rules[0].then = serde_json::from_value(json!({ "percent-off": percent })).unwrap();
        engine.publish(&def).unwrap().version().clone()
    };
    let (second, third) = (with(20), with(30));
    assert_eq!(engine.versions(), [third.clone(), second.clone(), first.clone()]);
    engine.roll_back_to(&first).unwrap();
    assert_eq!(engine.versions(), [first.clone(), third, second]);
    for percent in 31..80 {
        with(percent);
    }
    assert_eq!((engine.versions().len(), engine.roll_back_to(&first).unwrap_err().kind()), (17, ErrorKind::NotFound));
}

#[test]
fn rules_that_pass_the_floor_can_be_refused() {
    let engine = engine().with_on_bounds(OnBounds::RefuseBroken);
    let mut def = engine.current().definition().clone();
    def.floor = Some("basket.subtotal * 0.85".into());
    let error = engine.publish(&def).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BoundPassed);
    assert!(error.to_string().contains("by day"), "{error}");
    def.floor = Some("basket.subtotal * 0.8".into());
    engine.clone().with_on_bounds(OnBounds::RefuseUnproven).publish(&def).unwrap();
    // Two that exclude one another, which no index sees: only the stricter policy refuses them.
    def.rules[0].when = Some("age % 2 == 0".into());
    def.rules[1].when = Some("age % 2 == 1".into());
    def.phases[0].groups[0].stacking = nebula_rule_engine::Stacking::Accumulate;
    engine.publish(&def).unwrap();
    let error = engine.with_on_bounds(OnBounds::RefuseUnproven).publish(&def).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BoundPassed);
}

#[test]
fn the_recorder_keeps_the_latest() {
    let recorder = Recorder::new(3);
    let engine = engine().with_recorder(recorder.clone());
    for age in 58..63 {
        total(&engine, "GOLD", age, "2026-11-13T00:00:00Z");
    }
    let totals: Vec<String> = recorder.recorded().iter().map(|proof| proof.priced().total.to_string()).collect();
    assert_eq!(totals, ["90.00 CNY"; 3]);
}
