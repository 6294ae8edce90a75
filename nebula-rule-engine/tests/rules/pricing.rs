use nebula_rule_engine::{Basket, Detail, ErrorKind, Limit, Line, RuleSet};
use serde_json::{Value as Json, json};

use crate::common::{amounts, basket, def, gold, meter, one_group, price};

/// A set with one rule that does `then`.
fn does(then: Json) -> RuleSet {
    RuleSet::compile(&one_group("best", json!([{ "id": "r", "group": "g", "order": 1, "then": then }]))).unwrap()
}

#[test]
fn actions() {
    let lines: &[(&str, u32, &str)] = &[("10.01", 3, "book"), ("99.99", 1, "lamp"), ("5", 2, "book")];
    let bundle = json!({ "price": 100, "parts": [
        { "lines": "line.category == 'lamp'", "quantity": 1 }, { "lines": "line.category == 'book'", "quantity": 2 },
    ] });
    for (then, wanted) in [
        // 10 % of 140.02 is 14.002.
        (json!({ "percent-off": 10 }), ["27.03", "89.99", "9.00"]),
        (json!({ "percent-on": "12.5" }), ["33.78", "112.49", "11.25"]),
        (json!({ "amount-off": "0.01" }), ["30.03", "99.98", "10.00"]),
        (json!({ "amount-off": "basket.subtotal" }), ["0.00", "0.00", "0.00"]),
        (json!({ "amount-off": 1000 }), ["0.00", "0.00", "0.00"]),
        (json!({ "amount-on": 10 }), ["32.18", "107.13", "10.71"]),
        (json!({ "amount-off-each": 6 }), ["12.03", "93.99", "0.00"]),
        (json!({ "price-each": "19.99" }), ["59.97", "19.99", "39.98"]),
        // Six units: two of every three are paid for, the two cheapest are free.
        (json!({ "buy-get": { "buy": 2, "get": 1 } }), ["30.03", "99.99", "0.00"]),
        (json!({ "buy-get": { "buy": 1, "get": 1, "percent": 50 } }), ["25.02", "99.99", "5.00"]),
        (
            json!({ "tiers": { "by": "amount", "steps": [
                { "from": 100, "then": { "amount-off": 10 } }, { "from": "140.02", "then": { "amount-off": 14 } },
                { "from": 200, "then": { "amount-off": 50 } },
            ] } }),
            ["27.03", "89.99", "9.00"],
        ),
        (
            json!({ "tiers": { "by": "quantity", "steps": [{ "from": 7, "then": { "percent-off": 50 } }] } }),
            ["30.03", "99.99", "10.00"],
        ),
        // One lamp and two of the first books are 120.01, and 100 together.
        (json!({ "bundle": bundle }), ["26.69", "83.32", "10.00"]),
    ] {
        let priced = price(&does(then.clone()), &basket(lines));
        assert_eq!(amounts(&priced), wanted, "{then}: {:?}", priced.trace);
    }
}

#[test]
fn rounding_is_that_of_the_rule_or_of_the_set() {
    let rule = |rounding: Json| {
        let mut rule = json!({ "id": "r", "group": "g", "order": 1, "then": { "percent-off": 50 } });
        if !rounding.is_null() {
            rule["rounding"] = rounding;
        }
        RuleSet::compile(&one_group("best", json!([rule]))).unwrap()
    };
    for (rounding, wanted) in
        [(json!(null), "0.02"), (json!("half-even"), "0.03"), (json!("down"), "0.03"), (json!("up"), "0.02")]
    {
        assert_eq!(amounts(&price(&rule(rounding.clone()), &basket(&[("0.05", 1, "")]))), [wanted], "{rounding}");
    }
}

#[test]
fn conditions_windows_and_lines() {
    let mut def = one_group(
        "accumulate",
        json!([
            { "id": "gold", "group": "g", "order": 1, "when": "level in ['GOLD', 'VIP'] and age >= 18", "then": { "amount-off": 1 } },
            { "id": "books", "group": "g", "order": 2, "lines": "line.category == 'book' and line.quantity >= 2", "then": { "percent-off": 50 } },
            { "id": "day", "group": "g", "order": 3, "from": "2026-11-11T00:00:00+08:00", "until": "2026-11-12T00:00:00+08:00", "then": { "amount-off": 2 } },
            { "id": "off", "group": "g", "order": 4, "enabled": false, "then": { "amount-off": 9 } },
            { "id": "sum", "group": "g", "order": 5, "when": "basket.subtotal > basket.total or basket.quantity == 4", "then": { "amount-off": 4 } },
        ]),
    );
    def.facts.insert("now".into(), serde_json::from_value(json!("date-time")).unwrap());
    def.clock = Some("now".into());
    let set = RuleSet::compile(&def).unwrap();
    let fired = |now: &str, quantity| {
        let facts = json!({ "level": "GOLD", "age": 18, "now": now });
        let facts = set.schema().facts_from_json(&facts).unwrap();
        let basket = basket(&[("100", quantity, "book"), ("100", 1, "lamp")]);
        set.price(&facts, &basket, &mut meter(), Detail::Fired).unwrap().fired().join(" ")
    };
    assert_eq!(fired("2026-11-10T23:59:59.999+08:00", 2), "gold books");
    assert_eq!(fired("2026-11-10T16:00:00Z", 1), "gold day");
    assert_eq!(fired("2026-11-12T00:00:00+08:00", 3), "gold books sum");
}

#[test]
fn windows_are_points_in_time_and_hours_are_read_where_the_fact_says() {
    // In New York this day has 25 hours, and in Berlin 28 March has 23.
    let mut def = one_group(
        "accumulate",
        json!([
            { "id": "long-day", "group": "g", "order": 1, "from": "2026-11-01T00:00:00-04:00", "until": "2026-11-02T00:00:00-05:00", "then": { "amount-off": 1 } },
            { "id": "short-day", "group": "g", "order": 2, "from": "2027-03-28T00:00:00+01:00", "until": "2027-03-29T00:00:00+02:00", "then": { "amount-off": 2 } },
            { "id": "second-hour", "group": "g", "order": 3, "when": "now.hour() == 1", "then": { "amount-off": 4 } },
        ]),
    );
    def.facts.insert("now".into(), serde_json::from_value(json!("date-time")).unwrap());
    def.clock = Some("now".into());
    let set = RuleSet::compile(&def).unwrap();
    for (now, wanted) in [
        ("2026-11-01T03:59:59.999999999Z", ""),
        ("2026-11-01T00:00:00-04:00", "long-day"),
        // The hour that comes twice.
        ("2026-11-01T01:30:00-04:00", "long-day second-hour"),
        ("2026-11-01T01:30:00-05:00", "long-day second-hour"),
        ("2026-11-01T06:30:00Z", "long-day"),
        // Whoever forgets to change the offset still names the same point in time.
        ("2026-11-02T00:30:00-04:00", "long-day"),
        ("2026-11-02T00:00:00-05:00", ""),
        ("2027-03-28T01:59:59+01:00", "short-day second-hour"),
        ("2027-03-28T03:00:00+02:00", "short-day"),
        ("2027-03-28T22:00:00Z", ""),
    ] {
        let facts = json!({ "level": "GOLD", "age": 18, "now": now });
        let facts = set.schema().facts_from_json(&facts).unwrap();
        let priced = set.price(&facts, &basket(&[("100", 1, "")]), &mut meter(), Detail::Fired).unwrap();
        assert_eq!(priced.fired().join(" "), wanted, "{now}");
    }
}

#[test]
fn each_currency_has_its_own_smallest_unit() {
    for (currency, prices, percent, total, lines) in [
        // Thirds of 1 yen and of 1 fils: nothing is lost, and nothing is smaller than the unit.
        ("JPY", ["333", "334", "334"], "33", "671 JPY", ["223", "224", "224"]),
        ("KWD", ["0.333", "0.334", "0.334"], "33", "0.671 KWD", ["0.223", "0.224", "0.224"]),
        ("CNY", ["3.33", "3.34", "3.34"], "33", "6.71 CNY", ["2.23", "2.24", "2.24"]),
        ("JPY", ["1", "0", "1"], "50", "1 JPY", ["0", "0", "1"]),
    ] {
        let def = def(json!({ "name": "s", "currency": currency, "phases": [{ "id": "p", "groups": [{ "id": "g" }] }],
            "rules": [{ "id": "r", "group": "g", "order": 1, "then": { "percent-off": percent } }] }));
        let set = RuleSet::compile(&def).unwrap();
        let line = |(place, price): (usize, &&str)| {
            Line::new(format!("l{place}"), format!("{price} {currency}").parse().unwrap(), 1)
        };
        let basket = Basket::new(prices.iter().enumerate().map(line));
        let facts = set.schema().facts().build().unwrap();
        let priced = set.price(&facts, &basket, &mut meter(), Detail::Fired).unwrap();
        let shown: Vec<String> = priced.lines.iter().map(|line| line.price.amount().normalize().to_string()).collect();
        assert_eq!((priced.total.to_string().as_str(), shown), (total, lines.map(str::to_owned).to_vec()));
        // A fraction of the smallest unit is no price.
        let fraction = if currency == "JPY" { "0.5 JPY".to_owned() } else { format!("0.0005 {currency}") };
        let basket = Basket::new([Line::new("l", fraction.parse().unwrap(), 1)]);
        let error = set.price(&facts, &basket, &mut meter(), Detail::Fired).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadFact, "{error}");
    }
}

#[test]
fn amounts_beyond_the_range_of_numbers_are_errors() {
    let set = does(json!({ "percent-on": 50 }));
    for price in ["792281625142643375935439503.35", "79228162514264337593543950335"] {
        let basket = basket(&[(price, u32::MAX, ""), (price, 1, "")]);
        let error = set.price(&gold(&set), &basket, &mut meter(), Detail::Fired).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Overflow, "{error}");
    }
}

#[test]
fn floor_and_cap_hold_and_are_divided_exactly() {
    let rules = json!([
        { "id": "off", "group": "g", "order": 1, "when": "level == 'GOLD'", "then": { "percent-off": 90 } },
        { "id": "on", "group": "g", "order": 2, "when": "level == 'BASIC'", "then": { "percent-on": 200 } },
    ]);
    let mut def = one_group("best", rules);
    def.floor = Some("basket.subtotal * 0.333".into());
    def.cap = Some("basket.subtotal * 2".into());
    let set = RuleSet::compile(&def).unwrap();
    let basket = basket(&[("10.01", 1, ""), ("20.02", 1, "")]);
    let priced = price(&set, &basket);
    // A third of 30.03 is 9.99999, upwards.
    assert_eq!((priced.total.to_string(), priced.fired()), ("10.00 CNY".into(), vec!["off", "floor"]));
    assert_eq!(
        priced.lines.iter().map(|line| line.price.amount()).sum::<nebula_rule_engine::rust_decimal::Decimal>(),
        priced.total.amount()
    );
    let basic = set.schema().facts_from_json(&json!({ "level": "BASIC", "age": 1 })).unwrap();
    let priced = set.price(&basic, &basket, &mut meter(), Detail::Fired).unwrap();
    assert_eq!((priced.total.to_string(), priced.fired()), ("60.06 CNY".into(), vec!["on", "cap"]));
    // A list price below the floor stays.
    let mut def = def.clone();
    def.floor = Some(100.to_string().into());
    let set = RuleSet::compile(&def).unwrap();
    assert_eq!(price(&set, &basket).total.to_string(), "30.03 CNY");
}

#[test]
fn tables_feed_rules_and_other_tables() {
    let set = RuleSet::compile(&def(json!({
        "name": "fees", "currency": "CNY", "facts": { "level": "enum(BASIC, GOLD, VIP)", "age": "int" },
        "tables": [
            { "id": "rate", "inputs": [{ "expression": "class.name" }, { "expression": "basket.total" }],
              "outputs": [{ "name": "percent", "type": "decimal", "default": 0 }],
              "rows": [{ "when": ["'old'", "< 100"], "then": [50] }, { "when": ["", ">= 100"], "then": ["age / 2"] }] },
            { "id": "class", "inputs": [{ "expression": "age" }], "outputs": [{ "name": "name", "type": "text" }],
              "rows": [{ "when": [">= 60"], "then": ["'old'"] }, { "when": [""], "then": ["'young'"] }] },
        ],
        "phases": [{ "id": "one", "groups": [{ "id": "a" }] }, { "id": "two", "groups": [{ "id": "b" }] }],
        "rules": [
            { "id": "a", "group": "a", "order": 1, "then": { "percent-off": "rate.percent" } },
            { "id": "b", "group": "b", "order": 1, "when": "rate.percent > 0", "then": { "percent-off": "rate.percent" } },
        ],
    })))
    .unwrap();
    let total = |age: i64| {
        let facts = set.schema().facts_from_json(&json!({ "level": "VIP", "age": age })).unwrap();
        let basket = Basket::new([Line::new("l", "100 CNY".parse().unwrap(), 1)]);
        set.price(&facts, &basket, &mut meter(), Detail::Fired).unwrap().total.to_string()
    };
    // 40 % off 100; below 100 the young get nothing more, the old half.
    assert_eq!(total(40), "80.00 CNY");
    assert_eq!(total(80), "30.00 CNY");
}

#[test]
fn circles_of_tables_are_refused() {
    let table = |id: &str, reads: &str| {
        json!({ "id": id, "inputs": [{ "expression": reads }], "outputs": [{ "name": "x", "type": "int", "default": 0 }],
                "rows": [{ "when": ["> 1"], "then": [1] }] })
    };
    // However the name is written.
    for b in ["b.x", "b['x']", "b .x", "b. x"] {
        let error = RuleSet::compile(&def(json!({
            "name": "circle", "currency": "CNY", "tables": [table("a", b), table("b", "a.x")], "phases": [],
        })))
        .unwrap_err();
        assert!(error.to_string().contains("`a`, `b` depend on one another in a circle"), "{error}");
    }
    let text = json!({ "id": "b", "inputs": [{ "expression": "len('a.x')" }], "rows": [{ "when": ["> 1"], "then": [1] }],
        "outputs": [{ "name": "x", "type": "int", "default": 0 }] });
    let set =
        RuleSet::compile(&def(json!({ "name": "text", "currency": "CNY", "tables": [table("a", "b['x'] + 1"), text],
        "phases": [{ "id": "p", "groups": [{ "id": "g" }] }],
        "rules": [{ "id": "r", "group": "g", "order": 1, "when": "a.x == 1", "then": { "amount-off": 1 } }] })));
    let set = set.expect("a text that looks like a name is none");
    let facts = set.schema().facts().build().unwrap();
    let basket = Basket::new([Line::new("l", "100 CNY".parse().unwrap(), 1)]);
    let priced = set.price(&facts, &basket, &mut meter(), Detail::Fired).unwrap();
    assert_eq!(priced.total.to_string(), "99.00 CNY", "`a` is asked after `b`, which it reads");
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let rules = json!([
        { "id": "a", "group": "g", "order": 1, "when": "levle == 'VIP'", "then": { "percent-off": 10 } },
        { "id": "b", "group": "g", "order": 1, "when": "age > 3 and age < 2", "then": { "percent-off": 110 } },
        { "id": "c", "group": "h", "order": 3, "then": { "amount-off": "-1" } },
        { "id": "c", "group": "g", "order": 4, "lines": "line.weight > 3", "then": { "amount-off": "level" } },
        { "id": "d", "group": "g", "order": 5, "from": "2026-11-11T00:00:00+08:00", "then": { "buy-get": { "buy": 0, "get": 1 } } },
    ]);
    let error = RuleSet::compile(&one_group("best", rules)).unwrap_err();
    let told: Vec<String> =
        error.problems().iter().map(|problem| format!("{} {}", problem.place, problem.message)).collect();
    for wanted in [
        "rules.a.when@1 there is no fact `levle`, only `level`",
        "rules.b.order has the order 1 of `a`",
        "rules.b.when never holds",
        "rules.b.then 110 % is out of range",
        "rules.c.group there is no group `h`",
        "rules[3] `c` stands twice",
        "rules.c.lines@1 there is no fact `line.weight`",
        "rules.c.then",
        "rules.d.from rules with a window need the set's `clock`",
        "rules.d.then `buy` and `get` are at least 1",
    ] {
        assert!(told.iter().any(|it| it.starts_with(wanted)), "{wanted} in {told:#?}");
    }
}

#[test]
fn floors_that_move_and_sets_without_phases_are_refused() {
    let mut def = one_group("best", json!([]));
    def.floor = Some("basket.total * 0.5".into());
    let error = RuleSet::compile(&def).unwrap_err();
    assert!(error.to_string().contains("floor: depends on `basket.total`"), "{error}");
    def.floor = None;
    def.phases.clear();
    assert!(RuleSet::compile(&def).unwrap_err().to_string().contains("phases: there is none"));
}

#[test]
fn rules_that_never_win_are_told() {
    let rules = json!([
        { "id": "adults", "group": "g", "order": 1, "when": "age >= 18", "then": { "percent-off": 10 } },
        { "id": "old", "group": "g", "order": 2, "when": "age in [60..70] and level == 'VIP'", "then": { "percent-off": 20 } },
    ]);
    let set = RuleSet::compile(&one_group("first", rules.clone())).unwrap();
    assert_eq!(set.warnings()[0].to_string(), "warning at rules.old: never wins: `adults` applies whenever it does");
    assert!(RuleSet::compile(&one_group("best", rules)).unwrap().warnings().is_empty());
}

#[test]
fn amounts_that_facts_make_impossible_are_errors() {
    for (then, kind) in [
        (json!({ "percent-off": "age * 4" }), ErrorKind::BadAmount),
        (json!({ "amount-off": "basket.total - 1000" }), ErrorKind::BadAmount),
        (json!({ "percent-off": "1 / (age - 30)" }), ErrorKind::DivisionByZero),
    ] {
        let set = does(then);
        let error = set.price(&gold(&set), &basket(&[("10", 1, "")]), &mut meter(), Detail::Off).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains("rule `r`"), "{error}");
    }
    for limit in [Limit::Percent("age * 4".into()), Limit::Amount("basket.total - 1000".into())] {
        let mut def = one_group("cap", json!([{ "id": "r", "group": "g", "order": 1, "then": { "amount-off": 5 } }]));
        def.phases[0].groups[0].limit = Some(limit);
        let set = RuleSet::compile(&def).unwrap();
        let error = set.price(&gold(&set), &basket(&[("10", 1, "")]), &mut meter(), Detail::Off).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadAmount, "{error}");
        assert!(error.to_string().contains("group `g`: a limit of"), "{error}");
    }
}

#[test]
fn baskets_are_checked() {
    let set = does(json!({ "percent-off": 1 }));
    let line = |id: &str, price: &str, quantity| Line::new(id, price.parse().unwrap(), quantity);
    for (lines, kind) in [
        (vec![line("a", "1 USD", 1)], ErrorKind::Currency),
        (vec![line("a", "1 CNY", 0)], ErrorKind::BadFact),
        (vec![line("a", "-1 CNY", 1)], ErrorKind::BadFact),
        (vec![line("a", "0.001 CNY", 1)], ErrorKind::BadFact),
        (vec![line("a", "1 CNY", 1), line("a", "1 CNY", 1)], ErrorKind::BadFact),
        (vec![line("a", "1 CNY", 1).with("colour", "red")], ErrorKind::BadFact),
        (vec![line("a", "79228162514264337593543950 CNY", u32::MAX)], ErrorKind::Overflow),
    ] {
        let error = set.price(&gold(&set), &Basket::new(lines), &mut meter(), Detail::Off).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    let nothing = price(&set, &Basket::default());
    assert_eq!((nothing.total.to_string(), nothing.fired().len()), ("0.00 CNY".into(), 0));
}
