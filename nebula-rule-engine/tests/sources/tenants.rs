use nebula_rule_engine::{Format, MemorySource, Overlay, Reload, RuleEngine, RuleKeeper, RuleSetDef, TenantRules};

use crate::common::{rules, total};

fn overlay(json: &str) -> Overlay {
    Overlay::from_json(json).unwrap()
}

#[test]
fn tenants_have_their_own_rules_on_top_of_shared_ones() {
    let base = |percent| RuleSetDef::from_json(&rules(percent)).unwrap();
    let tenants = TenantRules::new(RuleEngine::new(&base(10)).unwrap());
    tenants.set("opera", overlay(r#"{ "without": ["two"] }"#)).unwrap();
    tenants
        .set(
            "arena",
            overlay(r#"{ "rules": [{ "id": "two", "group": "two", "order": 1, "then": { "amount-off": 40 } }] }"#),
        )
        .unwrap();
    let all = |tenants: &TenantRules| ["opera", "arena", "other"].map(|tenant| total(&tenants.engine(tenant)));
    assert_eq!(all(&tenants), ["90.00 CNY", "50.00 CNY", "81.00 CNY"]);

    let held = tenants.engine("opera");
    assert!(tenants.publish(&base(20)).unwrap().is_empty());
    assert_eq!(
        all(&tenants),
        ["80.00 CNY", "60.00 CNY", "64.00 CNY"][..]
            .iter()
            .enumerate()
            .map(|(place, it)| {
                // Eighty, of which forty are taken off.
                if place == 1 { "40.00 CNY".to_owned() } else { (*it).to_owned() }
            })
            .collect::<Vec<_>>()[..]
    );
    assert_eq!(total(&held), "80.00 CNY");

    // Shared rules without `two`: the overlay of the opera does not fit any more, and it keeps what it has.
    let mut without = base(50);
    without.rules.pop();
    let left = tenants.publish(&without).unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(
        (left[0].place.as_str(), left[0].message.contains("there is no rule `two`")),
        ("opera", true),
        "{left:?}"
    );
    assert_eq!(all(&tenants), ["80.00 CNY", "10.00 CNY", "50.00 CNY"]);

    assert!(tenants.set("arena", overlay(r#"{ "without": ["nine"] }"#)).is_err());
    assert!(tenants.set("arena", overlay(r#"{ "floor": "nonsense" }"#)).is_err());
    assert_eq!(all(&tenants)[1], "10.00 CNY");
    tenants.remove("opera");
    assert_eq!(all(&tenants)[0], "50.00 CNY");
    assert!(tenants.publish(&base(110)).is_err());
    assert_eq!(all(&tenants)[2], "50.00 CNY");
}

#[tokio::test]
async fn overlays_follow_the_rules_of_a_source() {
    let source = MemorySource::new(rules(10), Format::Json);
    let keeper = RuleKeeper::open(source.clone()).await.unwrap();
    let tenants = TenantRules::new(keeper.engine().clone());
    let keeper = keeper.with_tenants(tenants.clone());
    tenants.set("opera", overlay(r#"{ "without": ["two"] }"#)).unwrap();
    let all = || ["opera", "other"].map(|tenant| total(&tenants.engine(tenant)));
    assert_eq!(all(), ["90.00 CNY", "81.00 CNY"]);
    source.set(rules(20), Format::Json);
    assert!(matches!(keeper.reload().await.unwrap(), Reload::InForce { .. }));
    assert_eq!((all(), keeper.status().problem), (["80.00 CNY".into(), "64.00 CNY".into()], None));

    let mut without = RuleSetDef::from_json(&rules(50)).unwrap();
    without.rules.pop();
    source.set(without.to_json().unwrap(), Format::Json);
    assert!(matches!(keeper.reload().await.unwrap(), Reload::InForce { .. }));
    assert_eq!(all(), ["80.00 CNY", "50.00 CNY"]);
    let problem = keeper.status().problem.unwrap();
    assert!(problem.contains("opera") && problem.contains("no rule `two`"), "{problem}");
    source.set(rules(30), Format::Json);
    assert!(matches!(keeper.reload().await.unwrap(), Reload::InForce { .. }));
    assert_eq!((all(), keeper.status().problem), (["70.00 CNY".into(), "49.00 CNY".into()], None));
}
