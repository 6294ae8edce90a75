//! What operators see of guessing.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use nebula_auth::{
    MemoryRefreshStore, NewSession, RefreshOptions, SessionService,
    mfa::SecondFactor as _,
    proof::MemoryProofStore,
    throttle::{Source, Throttle},
};

use super::{clock, codes, enrolled, tokens, totp};

#[derive(Default)]
struct Counters(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

impl Counters {
    fn of(&self, name: &str) -> u64 {
        self.0.lock().unwrap().get(name).map_or(0, |count| count.load(Ordering::SeqCst))
    }
}

impl Recorder for Counters {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let labels: Vec<String> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let name = format!("{}{{{}}}", key.name().trim_start_matches("nebula_auth_"), labels.join(","));
        Counter::from_arc(Arc::clone(self.0.lock().unwrap().entry(name).or_default()))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test]
async fn guessing_shows_in_the_metrics() {
    let counters = Counters::default();
    let _guard = metrics::set_default_local_recorder(&counters);
    let clock = clock();

    let throttle = Throttle::new(MemoryProofStore::new()).with_clock(clock.clone());
    let source = Source::ip("192.0.2.1".parse().unwrap());
    for number in 0..60 {
        let _ = throttle.admit("password", "ann", None).await.unwrap();
        let _ = throttle.admit("password", &format!("user-{number}"), Some(&source)).await.unwrap();
    }
    assert_eq!(counters.of("throttled_total{what=password,scope=account}"), 55);
    assert_eq!(counters.of("throttled_total{what=password,scope=source}"), 10);

    let totp = totp(&clock);
    enrolled(&totp, "ann").await;
    for _ in 0..20 {
        let _ = totp.check("ann", &"wrong".into()).await.unwrap();
    }
    assert_eq!(counters.of("factor_checks_total{factor=totp,outcome=wrong_code}"), 5);
    assert_eq!(counters.of("factor_checks_total{factor=totp,outcome=account_throttled}"), 15);
    assert_eq!(counters.of("throttled_total{what=second-factor,scope=account}"), 15);

    let (codes, _) = codes::codes(&clock);
    let _ = codes.send("login", "ann", "+1 555 0100").await.unwrap();
    let _ = codes.send("login", "ann", "+1 555 0100").await.unwrap();
    for _ in 0..20 {
        let _ = codes.check("login", "ann", &"wrong".into()).await.unwrap();
    }
    assert_eq!(counters.of("codes_sent_total{outcome=sent}"), 1);
    assert_eq!(counters.of("codes_sent_total{outcome=cooling_down}"), 1);
    assert_eq!(counters.of("factor_checks_total{factor=code,outcome=wrong_code}"), 5);
    assert_eq!(counters.of("throttled_total{what=one-time-code,scope=account}"), 15);

    let sessions = SessionService::new(tokens(&clock), MemoryRefreshStore::new());
    let pair = sessions.start(NewSession::new("ann")).await.unwrap();
    for _ in 0..20 {
        let _ = sessions.refresh(&"guess".into(), RefreshOptions::new()).await.unwrap();
        let _ = sessions.refresh(&pair.access_token, RefreshOptions::new()).await.unwrap();
    }
    assert_eq!(counters.of("refreshes_total{outcome=malformed_token}"), 20);
    assert_eq!(counters.of("refreshes_total{outcome=wrong_token_type}"), 20);
}
