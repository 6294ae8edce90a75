use std::time::Duration;

use nebula_rule_engine::sql::{SqlRules, migrate};
use nebula_rule_engine::sqlx::{Pool, Sqlite};
use nebula_rule_engine::{Basket, Budget, ErrorKind, Format, Line, MemorySource, Reload, RuleEngine, RuleEngineConfig};
use nebula_test_support::eventually;
use serde_json::{Value, json};

use crate::common::{rules, total};

const PATIENCE: Duration = Duration::from_secs(60);

fn config(value: Value) -> RuleEngineConfig {
    serde_json::from_value(value).unwrap()
}

#[tokio::test]
async fn a_file_is_followed_by_configuration_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.json");
    std::fs::write(&path, rules(10)).unwrap();
    let keeper = config(json!({ "source": { "file": path }, "reload-interval": 10 })).connect().await.unwrap();
    let watch = keeper.watch();
    assert_eq!(total(keeper.engine()), "81.00 CNY");
    std::fs::write(folder.path().join("new"), rules(20)).unwrap();
    std::fs::rename(folder.path().join("new"), &path).unwrap();
    eventually(PATIENCE, async || total(keeper.engine()) == "64.00 CNY").await;
    watch.shutdown().await;
}

#[tokio::test]
async fn a_database_is_followed_by_configuration_alone() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("rules.db").display());
    let config = config(json!({ "source": { "sqlite": { "url": url, "name": "shop" } } }));
    // The tables are there from now on.
    assert_eq!(config.connect().await.unwrap_err().kind(), ErrorKind::NotFound);
    let pool = Pool::<Sqlite>::connect(&url).await.unwrap();
    migrate(&pool).await.unwrap();
    let store = SqlRules::new(pool);
    store.store("shop", &rules(10), Format::Json).await.unwrap();
    store.activate("shop", 1).await.unwrap();
    let keeper = config.connect().await.unwrap();
    assert_eq!((total(keeper.engine()), keeper.reload().await.unwrap()), ("81.00 CNY".into(), Reload::Unchanged));
}

#[tokio::test]
async fn every_option_reaches_the_engine() {
    let config = config(json!({
        "reload-interval": "1m",
        "budget": { "deadline": "20s", "cells": 3000, "depth": 5, "list-length": 7 },
        "on-budget": "list-price", "on-bounds": "hold", "detail": "off", "cache": 10,
        "shadow": { "prices": 100, "every": 1, "max-percent": "1.5" },
    }));
    let wanted = Budget::default().with_deadline(Some(Duration::from_secs(20)));
    assert_eq!(config.budget(), wanted.with_cells(3000).with_depth(5).with_list_length(7));
    let source = MemorySource::new(rules(10), Format::Json);
    let keeper = config.connect_with(source.clone()).await.unwrap();
    assert_eq!(total(keeper.engine()), "81.00 CNY");
    assert!(format!("{:?}", keeper.engine()).contains("PriceCache { prices: 1"));
    let price = |engine: &RuleEngine, lines: usize| {
        let facts = engine.current().schema().facts().build().unwrap();
        let line = |line| Line::new(format!("l{line}"), "100 CNY".parse().unwrap(), 1);
        engine.price(&facts, &Basket::new((0..lines).map(line)))
    };
    assert!(price(keeper.engine(), 2).unwrap().trace.steps.is_empty(), "no detail is asked for");
    // The list price, because the lists that are allowed are shorter.
    assert_eq!(price(keeper.engine(), 8).unwrap().total.to_string(), "800.00 CNY");
    // A change of more than that of the recorded price.
    source.set(rules(20), Format::Json);
    assert!(matches!(keeper.reload().await.unwrap(), Reload::Refused(_)));

    let poor = self::config(json!({ "budget": { "cells": 3 } }));
    let poor = poor.connect_with(MemorySource::new(rules(10), Format::Json)).await.unwrap();
    assert_eq!(price(poor.engine(), 1).unwrap_err().kind(), ErrorKind::CellBudget);
    let rich = self::config(json!({})).connect_with(MemorySource::new(rules(10), Format::Json)).await.unwrap();
    assert!(!price(rich.engine(), 1).unwrap().trace.steps.is_empty());
}

#[test]
fn yaml_and_plain_text_mean_the_same() {
    let yaml =
        "source: { http: { url: 'https://rules/a.yaml', timeout: 2s } }\nreload-interval: '500'\nshadow: { prices: 5 }";
    let config: RuleEngineConfig = serde_saphyr::from_str(yaml).unwrap();
    let shown = format!("{config:?}");
    assert!(shown.contains("500ms") && shown.contains("timeout: Some(2s)"), "{shown}");
}

#[tokio::test]
async fn first_rules_have_to_prove_their_floor_as_well() {
    let broken = r#"{ "name": "shop", "currency": "CNY", "floor": "basket.subtotal",
        "phases": [{ "id": "p", "groups": [{ "id": "g" }] }],
        "rules": [{ "id": "r", "group": "g", "order": 1, "then": { "percent-off": 10 } }] }"#;
    let open = async |bounds: &str| {
        let config = config(json!({ "on-bounds": bounds }));
        config.connect_with(MemorySource::new(broken, Format::Json)).await
    };
    assert!(open("hold").await.is_ok());
    assert_eq!(open("refuse-broken").await.unwrap_err().kind(), ErrorKind::BoundPassed);
}

#[tokio::test]
async fn mistakes_are_told_and_secrets_are_not() {
    let http =
        json!({ "http": { "url": "https://user:hidden@rules.internal/a.yaml", "token": "hidden", "timeout": 500 } });
    assert!(!format!("{:?}", config(json!({ "source": http }))).contains("hidden"));
    for (value, wanted) in [
        (json!({ "sorce": {} }), "sorce"),
        (json!({ "source": { "ftp": "x" } }), "ftp"),
        (json!({ "source": { "http": { "url": "http://x/", "tokn": "" } } }), "tokn"),
        (json!({ "on-budget": "guess" }), "guess"),
        (json!({ "shadow": { "max-percent": 2.5 } }), "in quotes"),
    ] {
        let error = serde_json::from_value::<RuleEngineConfig>(value).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    for (value, wanted) in [
        (json!({}), "`source` is missing"),
        (json!({ "budget": { "cells": 0 } }), "above zero"),
        (json!({ "reload-interval": 0 }), "above zero"),
        (json!({ "shadow": { "max-percent": -1 } }), "negative"),
        (json!({ "shadow": { "max-percent": "much" } }), "max-percent"),
        (json!({ "source": { "http": { "url": "ftp://x/" } } }), "`http` or `https`"),
        (json!({ "source": { "http": { "url": "http://x/", "timeout": 0 } } }), "source.http.timeout"),
        (json!({ "source": { "file": "a", "http": { "url": "http://x/" } } }), "these are named: file, http"),
    ] {
        let error = config(value).connect().await.unwrap_err();
        assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains(wanted), "{error}");
    }
}
