//! `#[derive(RuleFacts)]`: all kinds of fields, generics, another name for the crate, and what `check` says about schemas from
//! elsewhere.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use rules::rust_decimal::Decimal;
use rules::{Line, Money, RuleFacts, Schema, Type, Value};

mod rules {
    pub(crate) use nebula_rule_engine::*;
}

#[derive(Clone, RuleFacts)]
#[facts(crate = crate::rules, rename_all = "SCREAMING_SNAKE_CASE")]
enum Level {
    Basic,
    FrequentFlyer,
    #[fact(name = "V.I.P.")]
    Vip,
}

#[derive(RuleFacts)]
#[facts(crate = rules, prefix = "order")]
struct Order<T: rules::FactType + rules::FactValue + Clone> {
    level: Level,
    #[fact(money = "CNY")]
    total: Money,
    #[fact(money = "CNY", default = "0 CNY".parse::<Money>()?)]
    deposit: Option<Money>,
    #[fact(name = "share")]
    rate: Decimal,
    tags: Vec<String>,
    r#type: T,
    #[fact(default = 1)]
    seats: u32,
    #[fact(skip)]
    _cached: f64,
}

#[derive(RuleFacts)]
struct Item {
    category: String,
}

#[test]
fn structs_are_facts() -> Result<(), rules::Error> {
    let schema = Order::<bool>::schema()?;
    let mut order = Order {
        level: Level::FrequentFlyer,
        total: "99.90 CNY".parse()?,
        deposit: None,
        rate: Decimal::new(75, 1),
        tags: vec!["night".to_owned()],
        r#type: true,
        seats: 3,
        _cached: 0.5,
    };
    let facts = order.facts(&schema)?;
    assert_eq!(facts.get("order.level"), Some(Value::Text("FREQUENT_FLYER".into())));
    assert_eq!(facts.get("order.deposit").unwrap().to_string(), "0.00 CNY");
    assert_eq!(facts.get("order.share").unwrap().to_string(), "7.5");
    assert_eq!(facts.get("order.tags").unwrap().to_string(), "[night]");
    assert_eq!((facts.get("order.type"), facts.get("order.seats")), (Some(Value::Bool(true)), Some(Value::Int(3))));
    assert_eq!(facts.get("order._cached"), None);
    (order.level, order.deposit) = (Level::Vip, Some("5 CNY".parse()?));
    let facts = order.facts(&schema)?;
    assert_eq!(facts.get("order.level"), Some(Value::Text("V.I.P.".into())));
    assert_eq!(facts.get("order.deposit").unwrap().to_string(), "5.00 CNY");
    order.level = Level::Basic;
    order.total = "1 USD".parse()?;
    assert!(order.facts(&schema).is_err());

    Order::<bool>::check(&schema)?;
    let elsewhere =
        Schema::builder().fact("order.level", Type::Text).fact("order.totl", Type::Bool).fact("city", Type::Text);
    let error = Order::<bool>::check(&*elsewhere.build()?).unwrap_err().to_string();
    for wanted in ["order.total: there is no such fact, only `order.totl`", "at city: is needed and not given"] {
        assert!(error.contains(wanted), "{error}");
    }
    let _line = Line::new("a", "1 CNY".parse()?, 1).with_facts(&Item { category: "stalls".to_owned() });
    Ok(())
}
