use nebula_rule_engine::rust_decimal::Decimal;
use nebula_rule_engine::{Budget, Detail, Expr, Expression, PriceProof, RuleSet};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::common::{basket, def, meter, schema, table};

fn amount() -> impl Strategy<Value = String> {
    (0_u32..100_000).prop_map(|fen| format!("{}.{:02}", fen / 100, fen % 100))
}

fn action() -> impl Strategy<Value = Json> {
    prop_oneof![
        (0_u32..=1000).prop_map(|it| json!({ "percent-off": format!("{}.{}", it / 10, it % 10) })),
        amount().prop_map(|it| json!({ "amount-off": it })),
        amount().prop_map(|it| json!({ "amount-off-each": it })),
        amount().prop_map(|it| json!({ "price-each": it })),
        (0_u32..300).prop_map(|it| json!({ "percent-on": it })),
        amount().prop_map(|it| json!({ "amount-on": it })),
        (1_u32..4, 1_u32..3, 0_u32..=100)
            .prop_map(|(buy, get, percent)| json!({ "buy-get": { "buy": buy, "get": get, "percent": percent } })),
        (amount(), 1_u32..3).prop_map(|(price, quantity)| json!({ "bundle": { "price": price, "parts": [
            { "lines": "line.category == 'x'", "quantity": quantity }, { "lines": "true", "quantity": 1 },
        ] } })),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    let atom = prop_oneof![
        (0_i64..8).prop_map(|n| format!("n >= {n}")),
        (0_i64..8, 0_i64..4).prop_map(|(low, length)| format!("n in [{low}..{})", low + length)),
        (0_u8..3).prop_map(|it| format!("level == '{}'", ["A", "B", "C"][usize::from(it)])),
        (0_u8..3).prop_map(|it| format!("level != '{}'", ["A", "B", "C"][usize::from(it)])),
        Just("vip".to_owned()),
        (0_i64..5).prop_map(|n| format!("n % 5 == {n}")),
        (0_i64..300).prop_map(|n| format!("basket.total > {n}")),
    ];
    proptest::collection::vec((atom, prop_oneof![Just(" and "), Just(" or ")]), 1..4).prop_map(|atoms| {
        let mut text = String::new();
        for (atom, joint) in atoms {
            if !text.is_empty() {
                text.push_str(joint);
            }
            text.push_str(&atom);
        }
        text
    })
}

fn set() -> impl Strategy<Value = Option<RuleSet>> {
    let stackings = ["best", "first", "exclusive", "accumulate", "cap"];
    let rules = proptest::collection::vec((0_usize..4, condition(), action(), any::<bool>()), 1..12);
    (rules, proptest::collection::vec(0_usize..5, 4), any::<bool>(), any::<bool>()).prop_map(
        move |(rules, kinds, floor, cap)| {
            let group = |place: usize| {
                let stacking = stackings[kinds[place]];
                let mut group = json!({ "id": format!("g{place}"), "stacking": stacking });
                if stacking == "cap" {
                    group["limit"] = json!({ "percent": 15 });
                }
                group
            };
            let rules: Vec<Json> = rules
                .into_iter()
                .enumerate()
                .map(|(order, (group, when, then, some))| {
                    let mut rule = json!({ "id": format!("r{order}"), "group": format!("g{group}"), "order": order, "when": when, "then": then });
                    if some {
                        rule["lines"] = json!("line.category == 'x' or line.quantity > 2");
                    }
                    rule
                })
                .collect();
            let mut set = json!({
                "name": "random", "currency": "CNY",
                "facts": { "n": "int", "level": "enum(A, B, C)", "vip": "bool" },
                "line-facts": { "category": { "type": "text", "default": "" } },
                "phases": [{ "id": "one", "groups": [group(0), group(1)] }, { "id": "two", "groups": [group(2), group(3)] }],
                "rules": rules,
            });
            if floor {
                set["floor"] = json!("basket.subtotal * 0.7");
            }
            if cap {
                set["cap"] = json!("basket.subtotal * 1.25 + 1");
            }
            // Contradictory conditions and rising prices under a limit are refused, as they should be.
            RuleSet::compile(&def(set)).ok()
        },
    )
}

fn lines() -> impl Strategy<Value = Vec<(String, u32, bool)>> {
    proptest::collection::vec((amount(), 1_u32..6, any::<bool>()), 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn prices_are_exact_bounded_and_repeatable(
        set in set(), lines in lines(), n in 0_i64..8, level in 0_usize..3, vip in any::<bool>(),
    ) {
        let Some(set) = set else { return Ok(()) };
        let level = ["A", "B", "C"][level];
        let facts = json!({ "n": n, "level": level, "vip": vip });
        let facts = set.schema().facts_from_json(&facts).unwrap();
        let lines: Vec<(&str, u32, &str)> =
            lines.iter().map(|(price, quantity, x)| (price.as_str(), *quantity, if *x { "x" } else { "y" })).collect();
        let basket = basket(&lines);
        let priced = set.price(&facts, &basket, &mut meter(), Detail::Full).unwrap();

        let sum = |amounts: Vec<Decimal>| amounts.into_iter().sum::<Decimal>();
        prop_assert_eq!(sum(priced.lines.iter().map(|line| line.price.amount()).collect()), priced.total.amount());
        let mut total = priced.subtotal.amount();
        let mut by_line: Vec<Decimal> = priced.lines.iter().map(|line| line.list.amount()).collect();
        for step in &priced.trace.steps {
            prop_assert_eq!(step.before.amount(), total);
            prop_assert_eq!(sum(step.lines.iter().map(|(_, change)| change.amount()).collect()), step.change.amount());
            total += step.change.amount();
            prop_assert_eq!(step.after.amount(), total);
            step.lines.iter().for_each(|(line, change)| by_line[*line] += change.amount());
        }
        prop_assert_eq!(total, priced.total.amount());
        for (line, through_steps) in priced.lines.iter().zip(by_line) {
            prop_assert_eq!(line.price.amount(), through_steps);
            prop_assert!(line.price.is_rounded() && line.price.amount() >= Decimal::ZERO);
        }
        let subtotal = priced.subtotal.amount();
        if set.definition().floor.is_some() {
            prop_assert!(priced.total.amount() >= subtotal * Decimal::new(7, 1));
        }
        if set.definition().cap.is_some() {
            prop_assert!(priced.total.amount() <= subtotal * Decimal::new(125, 2) + Decimal::ONE);
        }

        let proof = set.prove(&facts, &basket, &mut meter()).unwrap();
        let read = PriceProof::from_bytes(&proof.to_bytes().unwrap()).unwrap();
        read.replay(&set, &mut meter()).unwrap();
        prop_assert_eq!(read.priced().total, priced.total);

        // Written in another order, the rules say the same.
        let mut turned = set.definition().clone();
        turned.rules.reverse();
        let turned = RuleSet::compile(&turned).unwrap().price(&facts, &basket, &mut meter(), Detail::Full).unwrap();
        prop_assert_eq!(&turned.lines, &priced.lines);
        prop_assert_eq!(&turned.trace, &priced.trace);
    }

    #[test]
    fn tables_find_what_testing_cell_by_cell_finds(
        rows in proptest::collection::vec((0_usize..9, 0_usize..6), 1..100),
        asked in proptest::collection::vec((-3_i64..12, 0_usize..4), 1..10),
    ) {
        let tests = ["", "> 3", "< 2", "[2..5]", "(2..5)", "7", "1, 3, 5", "not in [2..4]", "$ % 3 == 1"];
        let names = ["-", "'a'", "'a', 'b'", "!= 'c'", "startsWith($, 'b')", "'c'"];
        let conditions = [
            "true", "n > 3", "n < 2", "n in [2..5]", "n in (2..5)", "n == 7", "n in [1, 3, 5]", "n not in [2..4]", "n % 3 == 1",
        ];
        let named = ["true", "s == 'a'", "s in ['a', 'b']", "s != 'c'", "startsWith(s, 'b')", "s == 'c'"];
        let schema = schema(&[("n", "int"), ("s", "text")]);
        let def = json!({ "id": "t", "hit-policy": "collect", "inputs": [{ "expression": "n" }, { "expression": "s" }],
            "outputs": [{ "name": "x", "type": "int" }],
            "rows": rows.iter().map(|(n, s)| json!({ "when": [tests[*n], names[*s]], "then": [0] })).collect::<Vec<_>>() });
        let table = table(def, &schema).unwrap();
        for (n, s) in asked {
            let facts = schema.facts().set("n", n).set("s", ["a", "b", "c", "d"][s]).build().unwrap();
            let mut found = Vec::new();
            table.applying(&facts, &mut meter(), &mut found).unwrap();
            let holds = |source: &str| {
                let expression = Expression::compile(source, &schema).unwrap();
                expression.evaluate(&facts, &mut Budget::default().start()).unwrap() == nebula_rule_engine::Value::Bool(true)
            };
            let wanted: Vec<usize> = rows.iter().enumerate()
                .filter(|(_, (n, s))| holds(conditions[*n]) && holds(named[*s])).map(|(row, _)| row).collect();
            prop_assert_eq!(found, wanted);
        }
    }
}
