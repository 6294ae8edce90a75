use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nebula_rule_engine::{Basket, ErrorKind, Format, Line, MemorySource, Recorder, Reload, RuleKeeper};
use nebula_test_support::eventually;

use crate::common::{rules, total};

#[tokio::test]
async fn every_way_to_be_broken_leaves_the_old_rules_and_says_why() {
    let source = MemorySource::new(rules(10), Format::Json);
    let keeper = RuleKeeper::open(source.clone()).await.unwrap();
    let failing = rules(20).replacen(
        "\"rules\"",
        r#""tests": [{ "name": "half", "lines": [{ "id": "a", "price": "100 CNY" }], "total": "50 CNY" }], "rules""#,
        1,
    );
    for (text, kind, reason) in [
        (String::new(), ErrorKind::Invalid, "rules in JSON"),
        ("{".into(), ErrorKind::Invalid, "rules in JSON"),
        (rules(20).replace("percent-off", "percent-of"), ErrorKind::Invalid, "percent-of"),
        (rules(120), ErrorKind::Invalid, "rules.one.then: 120 % is out of range"),
        (failing, ErrorKind::TestFailed, "tests.half: costs 64.00 CNY and not 50.00 CNY"),
        (format!("{{ \"tests\": [{{ \"facts\": {}", "[".repeat(100_000)), ErrorKind::Invalid, "recursion limit"),
    ] {
        let failures = keeper.status().failures;
        source.set(text.clone(), Format::Json);
        let error = keeper.reload().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let status = keeper.status();
        assert!(status.problem.as_ref().is_some_and(|problem| problem.contains(reason)), "{status:?}");
        assert_eq!((status.failures, total(keeper.engine())), (failures + 1, "81.00 CNY".into()));
        // It is not looked at again, and still told.
        assert_eq!(keeper.reload().await.unwrap(), Reload::Unchanged);
        assert!(keeper.status().problem.is_some());
    }
    source.set(rules(20), Format::Json);
    assert!(matches!(keeper.reload().await.unwrap(), Reload::InForce { .. }));
    assert_eq!((keeper.status().problem, keeper.status().reloads), (None, 1));
    assert_eq!(total(keeper.engine()), "64.00 CNY");
}

#[tokio::test]
async fn new_rules_are_tried_on_recorded_prices_first() {
    let source = MemorySource::new(rules(10), Format::Json);
    let recorder = Recorder::new(100);
    let keeper = RuleKeeper::open(source.clone()).await.unwrap().with_shadow(recorder.clone(), 5.into());
    for _ in 0..10 {
        total(keeper.engine());
    }
    assert_eq!(recorder.recorded().len(), 10);
    source.set(rules(20), Format::Json);
    let Reload::Refused(shadow) = keeper.reload().await.unwrap() else { panic!("a fifth less revenue") };
    assert_eq!(
        (shadow.decisions, shadow.before.to_string(), shadow.after.to_string()),
        (10, "810.00 CNY".into(), "640.00 CNY".into())
    );
    assert!(keeper.status().problem.unwrap().contains("810.00 CNY becomes 640.00 CNY (-20.99 %)"));
    assert_eq!(total(keeper.engine()), "81.00 CNY");
    source.set(rules(11), Format::Json);
    let Reload::InForce { shadow: Some(shadow), .. } = keeper.reload().await.unwrap() else { panic!("small enough") };
    assert_eq!(shadow.changed, 11);
    // Rolled back, the rules stay so until the source says something new.
    keeper.engine().roll_back().unwrap();
    assert_eq!((keeper.reload().await.unwrap(), total(keeper.engine())), (Reload::Unchanged, "81.00 CNY".into()));
    assert!(keeper.status().problem.unwrap().contains("by hand"));
}

#[tokio::test]
async fn a_reload_that_nobody_waits_for_is_not_overtaken() {
    let source = MemorySource::new(rules(10), Format::Json);
    let keeper = RuleKeeper::open(source.clone()).await.unwrap();
    for round in 1..=5 {
        source.set(rules(20 + round), Format::Json);
        tokio::select! {
            biased;
            _ = keeper.reload() => panic!("it is checked on another thread"),
            () = std::future::ready(()) => {}
        }
        source.set(rules(50 + round), Format::Json);
        assert!(matches!(keeper.reload().await.unwrap(), Reload::InForce { .. }));
        assert_eq!((u64::from(round) * 2, 0), (keeper.status().reloads, keeper.status().failures));
        let left = 50 - round;
        assert_eq!(total(keeper.engine()), format!("{}.{:02} CNY", left * left / 100, left * left % 100));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn reloads_under_load_never_mix_versions() {
    let source = MemorySource::new(rules(10), Format::Json);
    let keeper = RuleKeeper::open(source.clone()).await.unwrap().with_engine(|engine| engine.with_cache(50));
    // Nothing but the news makes it look.
    let watch = keeper.clone().with_interval(Duration::from_secs(3600)).watch();
    let done = std::sync::Arc::new(AtomicBool::new(false));
    let priced: Vec<_> = (0..2)
        .map(|_| {
            let (engine, done) = (keeper.engine().clone(), done.clone());
            tokio::task::spawn_blocking(move || {
                let facts = engine.current().schema().facts().build().unwrap();
                let (mut prices, mut versions) = (0_u32, std::collections::HashMap::new());
                while !done.load(Ordering::Relaxed) {
                    let basket = Basket::new([Line::new("a", "100 CNY".parse().unwrap(), 1 + prices % 3)]);
                    let priced = engine.price(&facts, &basket).unwrap();
                    let steps: Vec<String> = priced.trace.steps.iter().map(|step| step.arithmetic.clone()).collect();
                    // Both steps are of one set: the same percentage.
                    let percent = |step: &str| step.split(' ').next().unwrap().to_owned();
                    assert_eq!(percent(&steps[0]), percent(&steps[1]), "{steps:?}");
                    let known = versions.entry(priced.version.clone()).or_insert_with(|| percent(&steps[0]));
                    assert_eq!(*known, percent(&steps[0]));
                    prices += 1;
                }
                versions.len()
            })
        })
        .collect();
    for round in 0..60 {
        let percent = 10 + round % 7;
        source.set(rules(percent), Format::Json);
        let left = 100 - percent;
        let wanted = format!("{}.{:02} CNY", left * left / 100, left * left % 100);
        eventually(Duration::from_secs(60), || {
            let same = total(keeper.engine()) == wanted;
            async move { same }
        })
        .await;
    }
    done.store(true, Ordering::Relaxed);
    for task in priced {
        assert!(task.await.unwrap() > 1);
    }
    watch.shutdown().await;
}

#[tokio::test]
async fn a_dropped_watch_stops() {
    let source = MemorySource::new(rules(10), Format::Json);
    let keeper = RuleKeeper::open(source.clone()).await.unwrap();
    drop(keeper.watch());
    source.set(rules(20), Format::Json);
    tokio::task::yield_now().await;
    assert_eq!(total(keeper.engine()), "81.00 CNY");
}
