//! What else tenants share: keys, locks, caches, limits, messages, quotas.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nebula_cache::nebula_redis::RedisConfig;
use nebula_cache::rate_limit::{MicroClock, Quota as Rate, RateLimiter, RedisRates, Rule};
use nebula_cache::{CacheKey as _, CacheManager};
use nebula_delay_queue::{
    Cancel, DelayMessage, DelayQueue, MemoryDelayQueue, MessageId, Outcome, Received, Schedule, SendOutcome,
    listener_fn,
};
use nebula_lock::{LockManager, MemoryLock};
use nebula_tenant::message::{MESSAGE_TENANT, TenantQueue};
use nebula_tenant::quota::{Admission, Permit, Quota, Quotas, Resource, Taken, TenantLabels};
use nebula_tenant::registry::{MemoryTenants, Tenant, TenantRegistry};
use nebula_tenant::scoped::{TenantCache, TenantKey, TenantLimiter, TenantLocks, key, object_key};
use nebula_tenant::{ErrorKind, TenantContext, TenantId, TenantStatus, current};
use nebula_test_support::{eventually, redis_url, unique};
use proptest::prelude::*;

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

async fn as_tenant<T>(name: &str, work: impl Future<Output = T>) -> T {
    TenantContext::of(tenant(name)).scope(work).await.unwrap()
}

fn sync_as<T>(name: &str, work: impl FnOnce() -> T) -> T {
    TenantContext::of(tenant(name)).sync_scope(work).unwrap()
}

async fn tenants() -> TenantRegistry {
    let registry = TenantRegistry::new(MemoryTenants::new());
    for (name, status, plan) in [
        ("star", TenantStatus::Active, "gold"),
        ("moon", TenantStatus::Active, "free"),
        ("late", TenantStatus::Suspended, "free"),
        ("gone", TenantStatus::Archived, "free"),
        ("new", TenantStatus::Preparing, "free"),
    ] {
        let _ = registry.insert(&Tenant::new(tenant(name)).with_status(status).with_plan(plan)).await.unwrap();
    }
    registry
}

proptest! {
    #[test]
    fn no_two_keys_are_one(
        (one, other) in ("[a-z0-9]([a-z0-9-]{0,4}[a-z0-9])?", "[a-z0-9]([a-z0-9-]{0,4}[a-z0-9])?"),
        first in proptest::collection::vec("[0-9:a-z/]{0,4}", 0..4),
        second in proptest::collection::vec("[0-9:a-z/]{0,4}", 0..4),
    ) {
        let named = |name: &str, parts: &[String]| sync_as(name, || key(parts.iter().map(String::as_str)).unwrap());
        prop_assert_eq!((&one, &first) == (&other, &second), named(&one, &first) == named(&other, &second));
        let cached = |name: &str, parts: &[String]| sync_as(name, || TenantKey::new(parts.join(":")).unwrap().key_bytes().into_owned());
        let same = one == other && first.join(":") == second.join(":");
        prop_assert_eq!(same, cached(&one, &first) == cached(&other, &second));
        if let (Ok(mine), Ok(theirs)) = (sync_as(&one, || object_key(&first.join("/"))), sync_as(&other, || object_key(&second.join("/")))) {
            prop_assert_eq!(one == other && first.join("/") == second.join("/"), mine == theirs);
            prop_assert_eq!(one == other, mine.starts_with(&format!("{other}/")));
        }
    }
}

#[tokio::test]
async fn nothing_can_be_named_without_a_tenant() {
    let locks = TenantLocks::new(LockManager::new(MemoryLock::new()));
    let cache = TenantCache::<u32, String>::new(CacheManager::local().cache("names").build().unwrap());
    let limits = TenantLimiter::new(RateLimiter::memory([]).unwrap());
    let kinds = [
        key(["a"]).unwrap_err().kind(),
        object_key("a").unwrap_err().kind(),
        TenantKey::new(1_u32).unwrap_err().kind(),
        locks.lock("a").map(drop).unwrap_err().kind(),
        locks.try_lock("a").map(drop).unwrap_err().kind(),
        cache.get(1).await.unwrap_err().kind(),
        cache.put(1, String::new()).await.unwrap_err().kind(),
        limits.check("r", "a").await.unwrap_err().kind(),
    ];
    assert_eq!(kinds, [ErrorKind::NoTenant; 8]);
    for path in ["", "/a", "a//b", "a/", ".", "a/../b", "a\\b", "a\nb"] {
        assert_eq!(sync_as("star", || object_key(path)).unwrap_err().kind(), ErrorKind::Config, "{path:?}");
    }
    assert_eq!(sync_as("star", || object_key("posters/1.png")).unwrap(), "star/posters/1.png");
}

#[tokio::test]
async fn locks_values_and_limits_are_each_tenants_own() {
    let locks = TenantLocks::new(LockManager::new(MemoryLock::new()));
    let held = as_tenant("star", async { locks.lock("seat").unwrap().await }).await.unwrap();
    assert!(as_tenant("star", async { locks.try_lock("seat").unwrap().await }).await.unwrap().is_none());
    assert!(as_tenant("moon", async { locks.try_lock("seat").unwrap().await }).await.unwrap().is_some());
    drop(held);

    let cache = TenantCache::<u32, String>::new(CacheManager::local().cache("names").build().unwrap());
    for name in ["star", "moon"] {
        // Loaded elsewhere, as the same tenant's work.
        let load = async { current().map(|tenant| Some(tenant.to_string())) };
        assert_eq!(*as_tenant(name, cache.get_or_load(1, load)).await.unwrap().unwrap(), name);
    }
    as_tenant("star", cache.evict(1)).await.unwrap();
    assert!(as_tenant("star", cache.get(1)).await.unwrap().is_none());
    assert_eq!(*as_tenant("moon", cache.get(1)).await.unwrap().unwrap(), "moon");

    let rule = Rule::new("sms", Rate::rate(1, Duration::from_secs(3600)).unwrap()).unwrap();
    let limits = TenantLimiter::new(RateLimiter::memory([rule]).unwrap());
    assert!(as_tenant("star", limits.check("sms", "ann")).await.unwrap().is_allowed());
    assert!(!as_tenant("star", limits.check("sms", "ann")).await.unwrap().is_allowed());
    assert!(as_tenant("moon", limits.check("sms", "ann")).await.unwrap().is_allowed());
}

#[tokio::test]
async fn messages_are_handled_as_their_tenants_work_and_others_die() {
    let plain = DelayQueue::new(MemoryDelayQueue::new());
    let queue = TenantQueue::new(plain.clone(), Arc::new(tenants().await));
    let handled = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&handled);
    let listener = listener_fn(move |message: Received<String>| {
        let hears = Arc::clone(&hears);
        async move {
            // Work on the side keeps it as well.
            let whose = nebula_tenant::spawn(async { current().unwrap().to_string() }).unwrap().await.unwrap();
            hears.lock().unwrap().push(format!("{whose}: {}", message.body()));
            Outcome::Done
        }
    });
    let worker = queue.worker("orders", listener).unwrap().start().unwrap();

    let message = |body: &str| DelayMessage::builder().body(body.to_owned()).id("1").build().unwrap();
    assert_eq!(queue.send("orders", &message("x")).await.unwrap_err().kind(), ErrorKind::NoTenant);
    for name in ["star", "moon", "late", "gone", "new", "nobody"] {
        let sent = as_tenant(name, queue.send("orders", &message(name))).await.unwrap();
        assert!(matches!(sent, SendOutcome::Accepted(_)), "one id is another message for each: {sent:?}");
    }
    // Past the queue of tenants: without one, with one that is none, with another's, with a made-up one.
    let raw = |id: &str, header: Option<&str>| {
        let message = DelayMessage::builder().body(format!("forged {id}")).id(id);
        let message = match header {
            Some(header) => message.header(MESSAGE_TENANT, header),
            None => message,
        };
        message.build().unwrap()
    };
    for message in [
        raw("bare", None),
        raw("none", Some("No Tenant")),
        raw("4:star1:9", Some("moon")),
        raw("2", Some("star")),
        raw("4:star2:9", Some("star")),
    ] {
        let _ = plain.send("orders", &message).await.unwrap();
    }
    let other = DelayMessage::builder().body(String::new()).header(MESSAGE_TENANT, "moon").build().unwrap();
    assert_eq!(as_tenant("star", queue.send("orders", &other)).await.unwrap_err().kind(), ErrorKind::Conflict);

    eventually(Duration::from_secs(60), || async {
        let dead = plain.dead_letters("orders", 0, 100).await.unwrap().len();
        (dead == 9 && handled.lock().unwrap().len() == 2).then_some(()).ok_or(dead)
    })
    .await;
    let mut handled = handled.lock().unwrap().clone();
    handled.sort_unstable();
    assert_eq!(handled, ["moon: moon", "star: star"]);
    let dead: HashSet<_> = plain
        .dead_letters("orders", 0, 100)
        .await
        .unwrap()
        .into_iter()
        .map(|letter| format!("{:?} {:?}", letter.reason, letter.last_error))
        .collect();
    for reason in ["missing", "malformed", "conflict", "suspended", "archived", "preparing", "unknown"] {
        assert!(dead.iter().any(|error| error.contains(&format!("tenant-{reason}"))), "{reason}: {dead:?}");
    }
    worker.shutdown(Duration::from_secs(30)).await;
}

#[tokio::test]
async fn what_is_sent_is_cancelled_and_moved_by_its_tenant_alone() {
    let plain = DelayQueue::new(MemoryDelayQueue::new());
    let queue = TenantQueue::new(plain.clone(), Arc::new(tenants().await));
    let later = DelayMessage::builder().body(1).id("pay").delay(Duration::from_secs(3600)).build().unwrap();
    let _ = as_tenant("star", queue.send("orders", &later)).await.unwrap();
    assert_ne!(as_tenant("moon", queue.cancel("orders", "pay")).await.unwrap(), Cancel::Cancelled);
    let soon = Schedule::After(Duration::from_secs(60));
    let _ = as_tenant("moon", queue.reschedule("orders", "pay", soon)).await.unwrap();
    assert_eq!(as_tenant("star", queue.cancel("orders", "pay")).await.unwrap(), Cancel::Cancelled);
    let long = "x".repeat(MessageId::MAX_BYTES);
    assert_eq!(as_tenant("star", queue.cancel("orders", &long)).await.unwrap_err().kind(), ErrorKind::Config);
    // What was shut down takes no messages of tenants either.
    plain.shutdown(Duration::from_secs(30)).await;
    assert_eq!(as_tenant("star", queue.send("orders", &later)).await.unwrap_err().kind(), ErrorKind::Config);
}

fn granted(admission: Admission) -> Permit {
    match admission {
        Admission::Granted(permit) => permit,
        refused => panic!("{refused:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn requests_keep_the_pace_of_their_plan() {
    let free = Quota { requests_per_second: Some(2), burst: Some(3), ..Quota::default() };
    let quotas = Quotas::new(tenants().await, 10).with_plan("free", free);
    for _ in 0..3 {
        drop(granted(as_tenant("moon", quotas.admit()).await.unwrap()));
    }
    let Admission::TooMany { retry_after } = as_tenant("moon", quotas.admit()).await.unwrap() else {
        panic!("a fourth")
    };
    assert_eq!(retry_after, Duration::from_millis(500));
    drop(granted(as_tenant("star", quotas.admit()).await.unwrap()));
    tokio::time::advance(retry_after).await;
    drop(granted(as_tenant("moon", quotas.admit()).await.unwrap()));
    assert!(matches!(as_tenant("moon", quotas.admit()).await.unwrap(), Admission::TooMany { .. }));
    assert_eq!(as_tenant("nobody", quotas.admit()).await.unwrap_err().kind(), ErrorKind::Unknown);
    assert_eq!(quotas.admit().await.unwrap_err().kind(), ErrorKind::NoTenant);
}

/// Three processes that count requests on Redis, whose clock stands still.
#[tokio::test]
async fn requests_keep_their_pace_over_all_processes() {
    let (config, namespace) = (RedisConfig::new(redis_url().await), unique("rates"));
    let free = Quota { requests_per_second: Some(2), burst: Some(5), ..Quota::default() };
    let closed = Quota { requests_per_second: Some(0), ..Quota::default() };
    let registry = tenants().await;
    let plain = || Quotas::new(registry.clone(), 10).with_plan("free", free).with_plan("closed", closed);
    let mut processes = Vec::new();
    for _ in 0..3 {
        let (connection, subscriber) = (config.connect().await.unwrap(), config.subscriber().unwrap());
        let store = RedisRates::new(connection, subscriber).with_namespace(namespace.as_str());
        let store = store.with_client_clock(MicroClock::new(|| 1_800_000_000_000_000));
        let limiter = RateLimiter::builder(store).with_rules(plain().rules().unwrap()).start().await.unwrap();
        processes.push(plain().with_rates(limiter));
    }
    let mut granted_all = 0;
    for round in 0..12 {
        match as_tenant("moon", processes[round % 3].admit()).await.unwrap() {
            Admission::Granted(_) => granted_all += 1,
            Admission::TooMany { retry_after } => assert!(retry_after > Duration::ZERO),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(granted_all, 5);
    drop(granted(as_tenant("star", processes[0].admit()).await.unwrap()));
    let shut = Tenant::new(tenant("shut")).with_status(TenantStatus::Active).with_plan("closed");
    let _ = registry.insert(&shut).await.unwrap();
    assert!(matches!(as_tenant("shut", processes[1].admit()).await.unwrap(), Admission::TooMany { .. }));
    // A limiter without the rules says so.
    let other = plain().with_rates(RateLimiter::memory([]).unwrap());
    assert_eq!(as_tenant("moon", other.admit()).await.unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test(start_paused = true)]
async fn one_tenant_of_many_requests_waits_behind_itself() {
    let quotas = Quotas::new(tenants().await, 1).with_patience(Duration::from_secs(3600));
    let first = granted(as_tenant("star", quotas.admit()).await.unwrap());
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut waiting = Vec::new();
    for name in ["star", "star", "star", "star", "moon", "moon"] {
        let (quotas, order) = (quotas.clone(), Arc::clone(&order));
        waiting.push(tokio::spawn(TenantContext::of(tenant(name)).scope(async move {
            let permit = granted(quotas.admit().await.unwrap());
            order.lock().unwrap().push(name);
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(permit);
        })));
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // One that gives up leaves no hole.
    waiting.remove(1).abort();
    drop(first);
    for task in waiting {
        task.await.unwrap().unwrap();
    }
    assert_eq!(*order.lock().unwrap(), ["star", "moon", "star", "moon", "star"]);
}

#[tokio::test(start_paused = true)]
async fn no_tenant_has_more_at_work_than_it_may() {
    let free = Quota { concurrency: Some(2), ..Quota::default() };
    let quotas =
        Quotas::new(tenants().await, 5).with_plan("free", free).with_waiting(50).with_patience(Duration::from_secs(60));
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut all = Vec::new();
    for number in 0..40 {
        let (quotas, running, most) = (quotas.clone(), Arc::clone(&running), Arc::clone(&most));
        all.push(tokio::spawn(TenantContext::of(tenant("moon")).scope(async move {
            let permit = granted(quotas.admit().await.unwrap());
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(10)).await;
            running.fetch_sub(1, Ordering::SeqCst);
            assert!(number % 7 != 3, "a request that panics");
            drop(permit);
        })));
    }
    let mut failed = 0;
    for task in all {
        failed += usize::from(task.await.is_err());
    }
    assert_eq!((failed, most.load(Ordering::SeqCst)), (6, 2));
    // Nothing is left taken, and whoever waits for too long is told.
    let held = [
        granted(as_tenant("moon", quotas.admit()).await.unwrap()),
        granted(as_tenant("moon", quotas.admit()).await.unwrap()),
    ];
    assert!(matches!(as_tenant("moon", quotas.admit()).await.unwrap(), Admission::Busy));
    drop(granted(as_tenant("star", quotas.admit()).await.unwrap()));
    drop(held);
    drop(granted(as_tenant("moon", quotas.admit()).await.unwrap()));
}

#[tokio::test]
async fn storage_and_jobs_are_taken_and_given_back() {
    let free = Quota { storage: Some(100), jobs: Some(2), ..Quota::default() };
    let quotas = Quotas::new(tenants().await, 1).with_plan("free", free);
    let take = |name: &'static str, resource, amount| as_tenant(name, quotas.take(resource, amount));
    assert_eq!(take("moon", Resource::Storage, 60).await.unwrap(), Taken::Done { used: 60 });
    assert_eq!(take("moon", Resource::Storage, 41).await.unwrap(), Taken::Refused { used: 60, limit: 100 });
    assert_eq!(take("moon", Resource::Jobs, 2).await.unwrap(), Taken::Done { used: 2 });
    assert_eq!(take("star", Resource::Storage, 1_000).await.unwrap(), Taken::Done { used: 1_000 });
    as_tenant("moon", quotas.give_back(Resource::Storage, 20)).await.unwrap();
    assert_eq!(take("moon", Resource::Storage, 60).await.unwrap(), Taken::Done { used: 100 });
    as_tenant("moon", quotas.give_back(Resource::Jobs, 9)).await.unwrap();
    assert_eq!(take("moon", Resource::Jobs, 3).await.unwrap(), Taken::Refused { used: 0, limit: 2 });
    assert!(serde_json::from_str::<Quota>(r#"{"requests-per-second": 5, "jobs": 1}"#).unwrap().jobs == Some(1));
    assert!(serde_json::from_str::<Quota>(r#"{"request-per-second": 5}"#).is_err());
}

#[test]
fn metrics_have_so_many_names_and_no_more() {
    let labels = TenantLabels::new(3);
    let names: HashSet<_> =
        (0..1000).map(|number| labels.of(&tenant(&format!("t{}", number % 500))).to_string()).collect();
    assert_eq!(names, HashSet::from(["t0", "t1", "t2", "other"].map(str::to_owned)));
    let chosen = TenantLabels::of_only([tenant("star"), tenant("other")]);
    assert_eq!((&*chosen.of(&tenant("star")), &*chosen.of(&tenant("moon"))), ("star", "other"));
    assert_ne!(&*chosen.of(&tenant("other")), "other", "a tenant of that name is not mixed up with the rest");
}
