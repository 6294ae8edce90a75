//! The limiter's handle: leases, known refusals, rules that change, and a Redis that dies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use nebula_cache::nebula_redis::{Connection, RedisConfig};
use nebula_cache::rate_limit::{
    Calendar, Origin, Quota, RateLimitConfig, RateLimiter, RedisRates, Request, Rule, WhenDown,
};
use nebula_cache::{BreakerConfig, ErrorKind};
use nebula_test_support::{RedisServer, eventually, redis_url, unique};
use proptest::prelude::*;
use support::remote::Remote;
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

fn rule(name: &str, quota: Quota) -> Rule {
    Rule::new(name, quota).unwrap()
}

/// So many, and practically nothing comes back.
fn fixed(count: u64) -> Quota {
    Quota::rate(1, DAY).unwrap().with_burst(count).unwrap()
}

async fn limiter(store: &Remote, rules: impl IntoIterator<Item = Rule>) -> RateLimiter {
    RateLimiter::builder(store.clone()).with_rules(rules).start().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_known_until_it_ends_and_for_no_longer() {
    let store = Remote::default();
    let quota = Quota::rate(1, Duration::from_secs(10)).unwrap().with_burst(5).unwrap();
    let limiter = limiter(&store, [rule("r", quota)]).await;
    assert!(limiter.decide(&Request::new().limit("r", "k").cost(5)).await.unwrap().is_allowed());
    let refused = limiter.decide(&Request::new().limit("r", "k").cost(2)).await.unwrap();
    assert_eq!((refused.origin(), refused.is_allowed()), (Origin::Store, false));
    let asked = store.questions();
    for _ in 0..1000 {
        let refused = limiter.decide(&Request::new().limit("r", "k").cost(3)).await.unwrap();
        assert_eq!((refused.origin(), refused.is_allowed()), (Origin::KnownDenial, false));
        assert_eq!(refused.retry_after(), Duration::from_secs(20));
    }
    assert_eq!(store.questions(), asked);
    // Less may be allowed earlier, and other keys are not concerned.
    assert!(!limiter.check("r", "k").await.unwrap().is_allowed());
    assert!(limiter.check("r", "other").await.unwrap().is_allowed());
    assert_eq!(store.questions(), asked + 2);
    tokio::time::advance(Duration::from_secs(20)).await;
    assert!(limiter.decide(&Request::new().limit("r", "k").cost(2)).await.unwrap().is_allowed());
}

#[tokio::test(start_paused = true)]
async fn leases_grow_with_use_and_never_give_more_than_their_bound() {
    let store = Remote::default();
    let (rate, burst, time) = (1_000_u64, 500_u64, Duration::from_millis(200));
    let quota = Quota::rate(rate, Duration::from_secs(1)).unwrap().with_burst(burst).unwrap();
    let leased = rule("r", quota).with_lease(100, time).unwrap();
    let nodes = [limiter(&store, [leased.clone()]).await, limiter(&store, [leased]).await];
    let began = Instant::now();
    let mut allowed = [0_u64; 2];
    // Ten times as many as allowed, on two nodes, for ten seconds.
    while began.elapsed() < Duration::from_secs(10) {
        for (node, allowed) in nodes.iter().zip(&mut allowed) {
            for _ in 0..5 {
                *allowed += u64::from(node.check("r", "hot").await.unwrap().is_allowed());
            }
        }
        let ideal = burst + rate * began.elapsed().as_micros() as u64 / 1_000_000;
        assert!(allowed.iter().sum::<u64>() <= ideal, "{allowed:?} of {ideal}");
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    let ideal = burst + rate * 10;
    let sum = allowed.iter().sum::<u64>();
    assert!(sum >= ideal * 95 / 100, "{sum} of {ideal}");
    assert!(allowed.iter().all(|share| *share >= sum / 4), "neither is always the first: {allowed:?}");
    // What is scarce is not fetched token by token: each node waits for 25 ms at least until a portion has come together.
    let most = 2 * (10_000 / 25) + 20;
    assert!(store.questions() <= most, "{} questions for 100,000 decisions", store.questions());
}

#[tokio::test(start_paused = true)]
async fn a_portion_is_waited_for_and_no_longer_than_the_next_token_takes() {
    let store = Remote::default();
    let quota = Quota::rate(1, Duration::from_secs(10)).unwrap().with_burst(4).unwrap();
    let limiter = limiter(&store, [rule("r", quota).with_lease(8, Duration::from_secs(60)).unwrap()]).await;
    for _ in 0..4 {
        assert!(limiter.check("r", "k").await.unwrap().is_allowed());
    }
    let asked = store.questions();
    assert_eq!(asked, 3, "for one, for two, for four and there was one");
    let refused = limiter.check("r", "k").await.unwrap();
    assert_eq!((refused.origin(), refused.is_allowed(), refused.remaining()), (Origin::KnownDenial, false, 0));
    let wait = refused.retry_after();
    // Pauses are a quarter of the time that four tokens take, up to a half more or less, but there is none before 10 s.
    assert!((Duration::from_secs(10)..=Duration::from_secs(15)).contains(&wait), "{wait:?}");
    tokio::time::advance(wait - Duration::from_millis(1)).await;
    assert!(!limiter.check("r", "k").await.unwrap().is_allowed());
    assert_eq!(store.questions(), asked);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(limiter.check("r", "k").await.unwrap().origin(), Origin::Store);
}

/// What callers do: wait, let the store take its time, and ask on a node, several at once; some give up.
#[derive(Clone, Debug)]
struct Move {
    pause: u64,
    slow: u64,
    node: usize,
    callers: usize,
    cost: u64,
    patience: u64,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = (0..80_u64, 0..30_u64, 0..4_usize, 1..25_usize, 1..4_u64, 0..60_u64);
    let one = one.prop_map(|(pause, slow, node, callers, cost, patience)| Move {
        pause,
        slow,
        node,
        callers,
        cost,
        patience,
    });
    prop::collection::vec(one, 1..60)
}

/// When something was allowed, in microseconds since the start, and how much.
async fn play(rule: Rule, moves: Vec<Move>) -> Vec<(u64, u64)> {
    let store = Remote::default();
    let began = Instant::now();
    let nodes = join_all((0..4).map(|_| limiter(&store, [rule.clone(), self::rule("one", fixed(30))]))).await;
    let mut running = tokio::task::JoinSet::new();
    for Move { pause, slow, node, callers, cost, patience } in moves {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        store.slow.store(slow, Ordering::SeqCst);
        for caller in 0..callers {
            let node = nodes[node].clone();
            running.spawn(async move {
                let alone = Request::new().limit("r", "k").cost(cost);
                // Some are refused by another limit after tokens were spent.
                let request = if caller % 4 == 3 { alone.limit("one", "k") } else { alone };
                let decision = tokio::time::timeout(Duration::from_millis(patience), node.decide(&request)).await;
                let allowed = decision.is_ok_and(|decision| decision.unwrap().is_allowed());
                allowed.then(|| (began.elapsed().as_micros() as u64, cost))
            });
        }
    }
    let mut given: Vec<(u64, u64)> = running.join_all().await.into_iter().flatten().collect();
    given.sort_unstable();
    given
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Over all nodes: from the start at most the burst and what the rate gives, in any span between at most what it gives in
    /// a lease time more.
    #[test]
    fn leases_of_several_nodes_together_never_exceed_the_ideal(
        count in 1..3_000_u64,
        burst in 3..200_u64,
        most in 2..100_u64,
        time in 10..400_u64,
        moves in moves(),
    ) {
        let quota = Quota::rate(count, Duration::from_secs(1)).unwrap().with_burst(burst).unwrap();
        let rule = rule("r", quota).with_lease(most, Duration::from_millis(time)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let given = runtime.block_on(play(rule, moves));
        // In millionths of a token.
        let ideal = |micros: u64| u128::from(burst) * 1_000_000 + u128::from(micros) * u128::from(count);
        for from in 0..given.len() {
            let mut sum = 0;
            for (at, cost) in &given[from..] {
                sum += u128::from(*cost) * 1_000_000;
                prop_assert!(sum <= ideal(at - given[from].0 + time * 1_000), "from {}: {sum}", given[from].0);
                prop_assert!(from > 0 || sum <= ideal(*at), "from the start to {at}: {sum}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_used_now_and_then_lease_nothing() {
    let store = Remote::default();
    let leased = rule("r", fixed(50)).with_lease(100, Duration::from_millis(200)).unwrap();
    let limiter = limiter(&store, [leased]).await;
    for _ in 0..50 {
        assert!(limiter.check("r", "k").await.unwrap().is_allowed(), "none is lost");
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert!(!limiter.check("r", "k").await.unwrap().is_allowed());
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_with_leases_get_exactly_what_there_is() {
    let store = Remote::default();
    store.slow.store(5, Ordering::SeqCst);
    let leased = rule("api", fixed(300)).with_lease(64, Duration::from_secs(60)).unwrap();
    let limiter = limiter(&store, [leased, rule("user", fixed(1))]).await;
    let keys: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    let decide = |key: &'static str| limiter.check("api", key);
    let allowed = join_all((0..1000).map(|_| decide("all"))).await;
    assert_eq!(allowed.iter().filter(|it| it.as_ref().unwrap().is_allowed()).count(), 300);
    assert!(store.questions() < 40, "{} questions", store.questions());
    // And together with a limit that is not leased.
    let both = join_all(
        keys.iter()
            .map(async |key| limiter.decide(&Request::new().limit("api", "both").limit("user", key)).await.unwrap()),
    )
    .await;
    assert_eq!(both.iter().filter(|it| it.is_allowed()).count(), 300);
}

#[tokio::test(start_paused = true)]
async fn tokens_go_back_when_another_limit_refuses_or_the_caller_leaves() {
    let store = Remote::default();
    let leased = rule("api", fixed(20)).with_lease(16, Duration::from_secs(60)).unwrap();
    let limiter = limiter(&store, [leased, rule("user", fixed(3))]).await;
    for _ in 0..3 {
        assert!(limiter.check("api", "k").await.unwrap().is_allowed());
    }
    let both = Request::new().limit("api", "k").limit("user", "ada");
    for _ in 0..10 {
        let _ = limiter.decide(&both).await.unwrap();
    }
    store.slow.store(60, Ordering::SeqCst);
    for _ in 0..10 {
        // Given up while the other limit is being asked.
        let other = Request::new().limit("api", "k").limit("user", "eve");
        assert!(tokio::time::timeout(Duration::from_millis(1), limiter.decide(&other)).await.is_err());
    }
    store.slow.store(0, Ordering::SeqCst);
    let mut rest = 0;
    while limiter.check("api", "k").await.unwrap().is_allowed() {
        rest += 1;
    }
    assert_eq!(rest, 20 - 3 - 3);
}

#[tokio::test(start_paused = true)]
async fn what_holds_while_the_store_is_down_is_said_by_each_rule() {
    let store = Remote::default();
    let quota = |count| fixed(count);
    let rules = [
        rule("share", quota(40)),
        rule("open", quota(1)).with_when_down(WhenDown::Open),
        rule("closed", quota(100)).with_when_down(WhenDown::Closed),
    ];
    let breaker = BreakerConfig::default();
    let limiter = RateLimiter::builder(store.clone()).with_rules(rules).with_breaker(breaker).start().await.unwrap();
    store.set_down(true);
    let mut shared = 0;
    for _ in 0..100 {
        let decision = limiter.check("share", "k").await.unwrap();
        assert_eq!(decision.origin(), Origin::LocalShare);
        shared += u64::from(decision.is_allowed());
        assert!(limiter.check("open", "k").await.unwrap().is_allowed());
        let closed = limiter.check("closed", "k").await.unwrap();
        assert_eq!((closed.origin(), closed.is_allowed()), (Origin::Closed, false));
    }
    assert_eq!(shared, 10, "a quarter, because four nodes were seen");
    let all = Request::new().limit("share", "new").limit("open", "k").limit("closed", "k");
    assert_eq!(limiter.decide(&all).await.unwrap().origin(), Origin::Closed);
    let two = limiter.decide(&Request::new().limit("open", "k").limit("share", "new")).await.unwrap();
    assert_eq!((two.origin(), two.is_allowed()), (Origin::LocalShare, true));
    assert!(two.standings()[0].is_none() && two.standings()[1].is_some());
    let snapshot = limiter.snapshot();
    assert!(snapshot.breaker_opened > 0 && snapshot.store_errors < 50, "{snapshot:?}");
    store.set_down(false);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(limiter.check("share", "k").await.unwrap().origin(), Origin::Store);
}

#[tokio::test]
async fn mistakes_are_told() {
    let limiter = RateLimiter::memory([rule("r", fixed(5))]).unwrap();
    let kind = async |request: Request<'_>| limiter.decide(&request).await.unwrap_err().kind();
    assert_eq!(kind(Request::new().limit("other", "k")).await, ErrorKind::UnknownRule);
    assert_eq!(kind(Request::new().limit("r", "k").cost(6)).await, ErrorKind::CostAboveBurst);
    assert_eq!(kind(Request::new().limit("r", "k").limit("r", "k")).await, ErrorKind::InvalidKey);
    assert_eq!(kind(Request::new().limit("r", &vec![0_u8; 65_537])).await, ErrorKind::InvalidKey);
    assert!(limiter.decide(&Request::new()).await.unwrap().is_allowed());
    assert_eq!(limiter.peek("r", "k").await.unwrap().remaining(), 5, "nothing was charged");
    for name in ["", "a b", "ä", "x\0y", &"x".repeat(65)] {
        assert_eq!(Rule::new(name, fixed(1)).unwrap_err().kind(), ErrorKind::ConfigInvalid);
    }
    assert!(RateLimiter::memory([rule("r", fixed(5)), rule("r", fixed(6))]).is_err());
    assert!(rule("r", Quota::rolling(5, DAY).unwrap()).with_lease(10, Duration::from_secs(1)).is_err());
}

#[tokio::test(start_paused = true)]
async fn rules_change_on_all_nodes_and_keep_what_was_used() {
    let store = Remote::default();
    let defaults = [rule("r", fixed(10)), rule("s", fixed(10))];
    let (a, b) = (limiter(&store, defaults.clone()).await, limiter(&store, defaults).await);
    for _ in 0..6 {
        assert!(b.check("r", "k").await.unwrap().is_allowed());
    }
    let version = a.set_rule(rule("r", fixed(8))).await.unwrap();
    assert_eq!(a.version(), version);
    eventually(PATIENCE, async || b.version() == version).await;
    assert_eq!(b.peek("r", "k").await.unwrap().remaining(), 2);
    assert_eq!(b.rule("s").unwrap().quota(), &fixed(10));
    let next = b.set_rule(rule("new", Quota::calendar(3, Calendar::Day, "Asia/Shanghai").unwrap())).await.unwrap();
    assert!(next > version);
    eventually(PATIENCE, async || a.version() == next).await;
    assert!(a.check("new", "k").await.unwrap().is_allowed());
    assert_eq!(a.rule("r").unwrap().quota(), &fixed(8), "kept");
    let last = a.remove_rule("r").await.unwrap();
    eventually(PATIENCE, async || b.version() == last).await;
    assert_eq!(b.rule("r").unwrap().quota(), &fixed(10), "what the program brings");
    // Somebody new finds them.
    let c = limiter(&store, []).await;
    assert_eq!((c.version(), c.rule("r").is_none(), c.rule("new").is_some()), (last, true, true));
}

async fn redis_limiter(url: &str, namespace: &str, rules: Vec<Rule>) -> RateLimiter {
    patient_limiter(url, namespace, rules, Duration::from_secs(20)).await
}

async fn patient_limiter(url: &str, namespace: &str, rules: Vec<Rule>, patience: Duration) -> RateLimiter {
    let config = RedisConfig::new(url)
        .with_response_timeout(patience)
        .with_reconnect(Duration::from_millis(10), Duration::from_millis(100));
    let store = redis_store(&config, namespace).await;
    let breaker = BreakerConfig::default().with_open_for(Duration::from_millis(200));
    let builder = RateLimiter::builder(store).with_rules(rules).with_breaker(breaker);
    builder.with_timeout(patience).with_poll_interval(Duration::from_millis(200)).start().await.unwrap()
}

async fn redis_store(config: &RedisConfig, namespace: &str) -> RedisRates<Connection> {
    RedisRates::new(config.connect().await.unwrap(), config.subscriber().unwrap()).with_namespace(namespace)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_callers_on_three_nodes_get_exactly_what_there_is() {
    let url = redis_url().await;
    let namespace = unique("rates");
    let leased = rule("leased", fixed(300)).with_lease(16, Duration::from_secs(60)).unwrap();
    let rules = vec![rule("exact", fixed(300)), leased];
    let nodes = join_all((0..3).map(|_| redis_limiter(&url, &namespace, rules.clone()))).await;
    eventually(PATIENCE, async || nodes.iter().all(|node| node.snapshot().nodes == 3)).await;
    let mut calls = tokio::task::JoinSet::new();
    for call in 0..1000 {
        let node = nodes[call % 3].clone();
        calls.spawn(async move { node.check("exact", "k").await.unwrap().is_allowed() });
    }
    assert_eq!(calls.join_all().await.into_iter().filter(|allowed| *allowed).count(), 300);
    let mut calls = tokio::task::JoinSet::new();
    for call in 0..1000 {
        let node = nodes[call % 3].clone();
        calls.spawn(async move { node.check("leased", "k").await.unwrap().is_allowed() });
    }
    let allowed = calls.join_all().await.into_iter().filter(|allowed| *allowed).count();
    // What a node has leased and does not need is lost to the others; nothing is ever given twice.
    assert!((300 - 2 * 16..=300).contains(&allowed), "{allowed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_dies_and_returns_empty_is_survived_by_the_rules() {
    let mut server = RedisServer::start().await;
    let rules = vec![
        rule("share", fixed(100)),
        rule("open", fixed(1)).with_when_down(WhenDown::Open),
        rule("closed", fixed(1000)).with_when_down(WhenDown::Closed),
    ];
    let impatient = Duration::from_millis(400);
    let node = async |rules: &[Rule]| patient_limiter(&server.url(), "test", rules.to_vec(), impatient).await;
    let (a, b) = (node(&rules).await, node(&rules).await);
    let version = a.set_rule(rule("new", fixed(7))).await.unwrap();
    eventually(PATIENCE, async || b.version() == version && [&a, &b].iter().all(|node| node.snapshot().nodes == 2))
        .await;
    eventually(PATIENCE, async || a.check("share", "before").await.unwrap().origin() == Origin::Store).await;
    server.kill();
    for node in [&a, &b] {
        let mut allowed = 0;
        for _ in 0..200 {
            let decision = node.check("share", "k").await.unwrap();
            assert_eq!(decision.origin(), Origin::LocalShare);
            allowed += u64::from(decision.is_allowed());
        }
        assert_eq!(allowed, 50, "half of it for each of two nodes");
        assert!(node.check("open", "k").await.unwrap().is_allowed());
        let closed = node.check("closed", "k").await.unwrap();
        assert_eq!((closed.origin(), closed.is_allowed()), (Origin::Closed, false));
        assert_eq!(node.rule("new").unwrap().quota(), &fixed(7), "rules stay in force");
    }
    server.restart_empty().await;
    for node in [&a, &b] {
        eventually(PATIENCE, async || node.check("closed", "k").await.unwrap().origin() == Origin::Store).await;
    }
    // Whoever comes now finds the rules that the server had lost.
    eventually(PATIENCE, async || a.version() > version && b.version() == a.version()).await;
    let c = redis_limiter(&server.url(), "test", vec![]).await;
    assert_eq!(c.rule("new").unwrap().quota(), &fixed(7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_listeners_and_flushed_scripts_delay_a_change_at_most() {
    let server = RedisServer::start().await;
    let (a, b) =
        (redis_limiter(&server.url(), "test", vec![]).await, redis_limiter(&server.url(), "test", vec![]).await);
    let mut admin = RedisConfig::new(server.url()).connect().await.unwrap();
    for round in 1..6 {
        redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("pubsub").exec_async(&mut admin).await.unwrap();
        redis::cmd("SCRIPT").arg("FLUSH").exec_async(&mut admin).await.unwrap();
        let version = a.set_rule(rule("r", fixed(round))).await.unwrap();
        eventually(PATIENCE, async || b.version() == version).await;
        assert_eq!(b.rule("r").unwrap().quota(), &fixed(round));
    }
}

#[tokio::test]
async fn what_others_store_under_the_key_is_replaced() {
    let url = redis_url().await;
    let namespace = unique("rates");
    let limiter = redis_limiter(&url, &namespace, vec![rule("r", fixed(2))]).await;
    let mut admin = RedisConfig::new(url).connect().await.unwrap();
    for (key, command) in [("a", "LPUSH"), ("b", "SET"), ("c", "SET"), ("d", "SET")] {
        let name = format!("{namespace}:{{{namespace}:rates}}:a:r:{key}");
        let text = ["", "nonsense", "g 1 x 2", "g 1"][usize::from(key.as_bytes()[0] - b'a')];
        redis::cmd(command).arg(name).arg(text).exec_async(&mut admin).await.unwrap();
        assert_eq!(limiter.check("r", key).await.unwrap().origin(), Origin::Store);
        assert!(limiter.check("r", key).await.unwrap().is_allowed());
        assert!(!limiter.check("r", key).await.unwrap().is_allowed());
    }
}

fn config(yaml: &str) -> Result<RateLimitConfig, String> {
    use figment::providers::{Format, Yaml};
    figment::Figment::from(Yaml::string(yaml)).extract().map_err(|error| error.to_string())
}

#[tokio::test]
async fn configuration_leads_to_a_limiter() {
    let text = format!(
        r#"
        redis: {{ enabled: true, url: "{}" }}
        namespace: "{}"
        timeout: 5s
        poll-interval: 500
        rules:
          query: {{ rate: 100000, lease: 1000, lease-time: 100ms, when-down: open }}
          queue: {{ rate: 1000, burst: 10000 }}
          login: {{ rate: 10, per: 1m, when-down: closed }}
          orders: {{ limit: 5, window: 1d }}
          sms: {{ limit: 5, calendar: day, time-zone: Asia/Shanghai }}
        "#,
        redis_url().await,
        unique("rates"),
    );
    let limiter = config(&text).unwrap().connect().await.unwrap();
    let request = Request::new()
        .limit("query", "k")
        .limit("queue", "k")
        .limit("login", "k")
        .limit("orders", "k")
        .limit("sms", "k");
    for _ in 0..5 {
        assert!(limiter.decide(&request).await.unwrap().is_allowed());
    }
    let refused = limiter.decide(&request).await.unwrap();
    let who: Vec<bool> = refused.standings().iter().map(|it| it.is_some_and(|it| it.allowed)).collect();
    assert_eq!(who, [true, true, true, false, false]);
    assert!(refused.retry_after() > Duration::from_secs(86_000), "the slowest one");
    assert!(limiter.health().await.unwrap() > Duration::ZERO);
    let json = serde_json::to_value(limiter.snapshot()).unwrap();
    assert_eq!((json["rules"][1]["name"].as_str(), json["rules"][1]["denied"].as_u64()), (Some("orders"), Some(1)));
}

#[tokio::test]
async fn mistakes_in_configuration_are_told() {
    let broken = async |yaml: &str| config(yaml).unwrap().connect().await.unwrap_err().to_string();
    assert!(config("rules: { r: { rat: 5 } }").unwrap_err().contains("rat"));
    for (rules, word) in [
        ("{ r: {} }", "either `rate`"),
        ("{ r: { rate: 5, limit: 5 } }", "either `rate`"),
        ("{ r: { limit: 5 } }", "either `rate`"),
        ("{ r: { limit: 5, window: 1d, burst: 3 } }", "do not go together"),
        ("{ r: { rate: 0 } }", "a rate of nothing"),
        ("{ r: { rate: 5, burst: 0 } }", "a rate of nothing"),
        ("{ r: { limit: 5, calendar: day, time-zone: Nowhere } }", "Nowhere"),
        ("{ r: { rate: 5, lease-time: 1s } }", "`lease-time` without `lease`"),
        ("{ 'a b': { rate: 5 } }", "a rule's name"),
    ] {
        let error = broken(&format!("rules: {rules}")).await;
        assert!(error.contains(word), "{rules}: {error}");
    }
    assert!(broken("{ provider: redis, redis: { enabled: false } }").await.contains("`redis.enabled` is `false`"));
    let error = config("redis: { enabled: true, url: 'redis://127.0.0.1:1/' }").unwrap().connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
}
