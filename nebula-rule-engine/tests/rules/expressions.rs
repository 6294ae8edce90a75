use nebula_rule_engine::{Budget, ErrorKind, Expr, Expression, Value};
use serde_json::json;

use crate::common::{meter, schema};

const FACTS: [(&str, &str); 12] = [
    ("total", "money(CNY)"),
    ("other", "money(USD)"),
    ("seats", "int"),
    ("rate", "decimal"),
    ("level", "enum(BASIC, GOLD, VIP)"),
    ("name", "text"),
    ("vip", "bool"),
    ("now", "date-time"),
    ("wait", "duration"),
    ("prices", "list(money(CNY))"),
    ("tags", "list(text)"),
    ("order.number", "int"),
];

fn eval(source: &str) -> Result<Value, nebula_rule_engine::Error> {
    let schema = schema(&FACTS);
    let facts = schema.facts_from_json(&json!({
        "total": "100.10 CNY", "other": "1 USD", "seats": 7, "rate": "0.1", "level": "GOLD", "name": "Ada", "vip": true,
        "now": "2026-11-21T20:30:00+08:00", "wait": "PT90M", "prices": ["1 CNY", "2.50 CNY"], "tags": ["a", "b"],
        "order": { "number": 4711 },
    }))?;
    Expression::compile(source, &schema)?.evaluate(&facts, &mut meter())
}

#[test]
fn values() {
    for (source, wanted) in [
        ("rate + 0.2 == 0.3", "true"),
        ("total * 0.1", "10.01 CNY"),
        ("total - 0.10", "100.00 CNY"),
        ("total / total", "1"),
        ("seats / 2", "3.5"),
        ("seats % 4", "3"),
        ("-seats + order.number", "4704"),
        ("seats in [1..7]", "true"),
        ("seats in [1..7)", "false"),
        ("seats not in (7..9]", "true"),
        ("level in ['GOLD', 'VIP']", "true"),
        ("level == 'VIP' or vip and seats > 3", "true"),
        ("not vip", "false"),
        ("vip ? total : 0", "100.10 CNY"),
        ("sum(prices)", "3.50 CNY"),
        ("max(prices) - min(prices)", "1.50 CNY"),
        ("avg(prices)", "1.75 CNY"),
        ("round(rate * 12.5, 1)", "1.3"),
        ("count(prices, # > 2)", "1"),
        ("all(prices, # >= 1)", "true"),
        ("sum(map(filter(prices, # > 1), # * 2))", "5.00 CNY"),
        ("len(tags) + len(name)", "5"),
        ("'b' in tags and contains(tags, 'a')", "true"),
        ("startsWith(name, 'A') and upper(name) == 'ADA'", "true"),
        ("d(now).hour()", "20"),
        ("now.weekday()", "6"),
        ("now < d('2026-11-21T12:30:01Z')", "true"),
        ("now - d('2026-11-21T12:00:00Z') == duration('30m')", "true"),
        ("wait > duration('1h')", "true"),
    ] {
        let value = eval(source).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(value.to_string(), wanted, "{source}");
    }
}

#[test]
fn what_is_wrong_is_said_at_load_and_where() {
    let schema = schema(&FACTS);
    for (source, place, message) in [
        ("totel > 1", "@1", "there is no fact `totel`, only `total`"),
        ("vip and seets > 1", "@9", "there is no fact `seets`, only `seats`"),
        ("total > other", "", "CNY is compared with USD"),
        ("total > seats", "", "no currency"),
        ("total == 'a'", "", "never equal"),
        ("level == 'SILVER'", "", "`SILVER` is none of"),
        ("name > 'a'", "", "no order"),
        ("seats + name", "", "do not calculate"),
        ("total * total", "", "do not calculate"),
        ("1 / 0", "", "division by zero"),
        ("79228162514264337593543950335 * 10", "", "out of range"),
        ("seats ^ 2", "", "floating point"),
        ("null", "", "no null"),
        ("rand(5) > 1", "", "not allowed"),
        ("d() > now", "", "not allowed"),
        ("name == `a${level}`", "", "not allowed"),
        ("$ > 3", "", "no cell"),
        ("seats >", "", ""),
        ("", "", "empty"),
    ] {
        let error = Expression::compile(source, &schema).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{source}: {error}");
        assert!(error.problems().iter().any(|it| it.place.contains(place)), "{source}: {error}");
        assert!(error.problems().iter().any(|it| it.message.contains(message)), "{source}: {error}");
    }
}

#[test]
fn several_problems_are_told_at_once() {
    let error = Expression::compile("a > 1 and b > 2 and seats == 'x'", &schema(&FACTS)).unwrap_err();
    assert_eq!(error.problems().len(), 3, "{error}");
}

#[test]
fn facts_are_checked_at_the_boundary() {
    let schema = schema(&[("total", "money(CNY)"), ("rate", "decimal"), ("level", "enum(A, B)")]);
    let good = json!({ "total": "1 CNY", "rate": "0.5", "level": "A" });
    assert!(schema.facts_from_json(&good).is_ok());
    for (name, value, kind) in [
        ("rate", json!(0.5), ErrorKind::Float),
        ("rate", json!("1e3"), ErrorKind::BadFact),
        ("rate", json!("0.12345678901234567890123456789012"), ErrorKind::BadFact),
        ("total", json!("1 USD"), ErrorKind::Currency),
        ("total", json!(1), ErrorKind::BadFact),
        ("level", json!("C"), ErrorKind::BadFact),
        ("levle", json!("A"), ErrorKind::BadFact),
    ] {
        let mut facts = good.clone();
        facts[name] = value;
        assert_eq!(schema.facts_from_json(&facts).unwrap_err().kind(), kind, "{facts}");
    }
    let missing = schema.facts_from_json(&json!({ "total": "1 CNY", "level": "A" })).unwrap_err();
    assert!(missing.to_string().contains("`rate` is missing"), "{missing}");
}

#[test]
fn what_depends_on_facts_is_an_error_of_its_own() {
    for (source, kind) in [
        ("1 / (seats - 7)", ErrorKind::DivisionByZero),
        ("rate * 79228162514264337593543950335 * 100", ErrorKind::Overflow),
        ("seats * 9223372036854775807", ErrorKind::Overflow),
        ("max(filter(prices, # > 100))", ErrorKind::EmptyList),
        // The least integer has no counterpart, and a sum of integers is one.
        ("-(seats - 9223372036854775807 - 8)", ErrorKind::Overflow),
        ("abs(seats - 9223372036854775807 - 8)", ErrorKind::Overflow),
        ("sum([seats, 9223372036854775807])", ErrorKind::Overflow),
    ] {
        assert_eq!(eval(source).unwrap_err().kind(), kind, "{source}");
    }
}

#[test]
fn long_texts_are_paid_for() {
    let schema = schema(&[("name", "text")]);
    let facts = schema.facts().set("name", "x".repeat(1 << 20)).build().unwrap();
    for source in ["upper(name) == ''", "contains(name, 'y')", "len(name) > 0", "trim(name) == ''"] {
        let expression = Expression::compile(source, &schema).unwrap();
        let few = Budget::default().with_deadline(None).with_cells(1_000);
        assert_eq!(
            expression.evaluate(&facts, &mut few.start()).unwrap_err().kind(),
            ErrorKind::CellBudget,
            "{source}"
        );
        expression.evaluate(&facts, &mut meter()).unwrap();
    }
}

#[test]
fn facts_of_another_schema_are_refused() {
    let (one, other) = (schema(&[("a", "int")]), schema(&[("b", "int")]));
    let facts = other.facts().set("b", 1).build().unwrap();
    let expression = Expression::compile("a > 0", &one).unwrap();
    assert_eq!(expression.evaluate(&facts, &mut Budget::default().start()).unwrap_err().kind(), ErrorKind::BadFact);
}
