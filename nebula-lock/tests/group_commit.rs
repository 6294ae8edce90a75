//! Group commit: what shares a script call, and what becomes of it when the call fails or its callers go away.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "support/relay.rs"]
mod relay;

use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use nebula_lock::nebula_redis::{Connection, RedisConfig};
use nebula_lock::{Attempt, Claim, DistributedLock, Error, ErrorKind, LockKey, LockManager, Owner, RedisLock, Release};
use nebula_test_support::{RedisCluster, eventually, redis_sentinels, redis_url, unique};
use redis::AsyncCommands;
use relay::Relay;

const LEASE: Duration = Duration::from_secs(600);
const PATIENCE: Duration = Duration::from_secs(60);
/// How many calls are under way at the same time at most.
const CALLS: usize = 4;

struct Bench {
    connection: Connection,
    namespace: String,
    relay: Relay,
    lock: RedisLock<Relay>,
}

impl Bench {
    /// Operations share calls when more than `above` are under way.
    async fn new(above: usize) -> Self {
        Self::at(RedisConfig::new(redis_url().await), above).await
    }

    async fn at(config: RedisConfig, above: usize) -> Self {
        let connection = config.connect().await.unwrap();
        let (relay, namespace) = (Relay::new(connection.clone()), unique("group"));
        let lock = RedisLock::new(relay.clone()).with_namespace(namespace.clone()).with_group_commit(above);
        Self { connection, namespace, relay, lock }
    }

    fn manager(&self) -> LockManager {
        LockManager::new(self.lock.clone())
    }

    async fn keys(&self, pattern: &str) -> Vec<String> {
        self.connection.clone().keys(format!("{}:{pattern}", self.namespace)).await.unwrap()
    }

    /// The locks on the server.
    async fn held(&self) -> Vec<String> {
        self.keys("1:{*").await
    }

    async fn acquire(&self, claims: &[Claim]) -> Vec<Result<Attempt, Error>> {
        join_all(claims.iter().map(|claim| self.lock.try_acquire(claim, LEASE))).await
    }

    async fn release(&self, claims: &[Claim]) -> Vec<Result<bool, Error>> {
        join_all(claims.iter().map(|claim| self.lock.release(claim))).await
    }
}

fn claim(key: &str) -> Claim {
    Claim::new(LockKey::new(key).unwrap(), Owner::random())
}

fn claims(count: usize, name: &str) -> Vec<Claim> {
    (0..count).map(|number| claim(&format!("{name}:{number}"))).collect()
}

fn token(attempt: &Result<Attempt, Error>) -> u64 {
    match attempt {
        Ok(Attempt::Acquired(fence)) => fence.get(),
        other => panic!("not acquired: {other:?}"),
    }
}

#[tokio::test]
async fn many_share_a_call_and_few_go_alone() {
    let bench = Bench::new(16).await;
    let few = claims(16, "few");
    assert!(bench.acquire(&few).await.iter().all(|attempt| token(attempt) > 0));
    assert_eq!(bench.relay.calls(), [2; 16]);

    let many = claims(300, "many");
    assert!(bench.acquire(&many).await.iter().all(|attempt| token(attempt) > 0));
    assert_eq!(bench.held().await.len(), 316);
    let calls = bench.relay.calls();
    assert_eq!(calls.iter().filter(|keys| **keys == 2).count(), 16);
    // Of the other 284, at most 128 share a call, each with its counter.
    assert_eq!(calls.iter().filter(|keys| **keys > 2).collect::<Vec<_>>(), [&256, &256, &56]);

    let freed = bench.release(&[few, many].concat()).await;
    assert!(freed.into_iter().all(|freed| freed.unwrap()));
    assert_eq!(bench.held().await, Vec::<String>::new());
    assert_eq!(bench.relay.called(), 16 + 3);
}

#[tokio::test]
async fn calls_are_shared_behind_sentinels_as_well() {
    let (master, nodes) = redis_sentinels().await;
    let bench = Bench::at(RedisConfig::sentinel(master, nodes), 0).await;
    let all = claims(300, "all");
    let tokens: Vec<u64> = bench.acquire(&all).await.iter().map(token).collect();
    assert!(tokens.iter().all(|token| *token > 0));
    assert_eq!(bench.held().await.len(), 300);
    let calls = bench.relay.calls();
    assert!(calls.len() < 30 && calls.iter().sum::<usize>() == 600, "{calls:?}");
    assert!(bench.release(&all).await.into_iter().all(|freed| freed.unwrap()));
    assert_eq!(bench.held().await, Vec::<String>::new());
    // Through a manager, under which callers compete and some go away.
    let (locks, inside) = (bench.manager().with_wait(PATIENCE), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..200)
        .map(|number| {
            let (request, inside) = (locks.lock(format!("key:{}", number % 4)).into_future(), Arc::clone(&inside));
            tokio::spawn(async move {
                if number % 5 == 0 {
                    return drop(tokio::time::timeout(Duration::from_micros(number), request).await);
                }
                let guard = request.await.unwrap();
                let bit = 1 << (number % 4);
                assert_eq!(inside.fetch_or(bit, Ordering::SeqCst) & bit, 0, "two at once");
                tokio::task::yield_now().await;
                inside.fetch_and(!bit, Ordering::SeqCst);
                assert_eq!(guard.release().await, Release::Released);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(locks.shutdown(PATIENCE).await, nebula_lock::Shutdown::Drained);
    assert_eq!(bench.held().await, Vec::<String>::new());
    assert!(bench.relay.calls().iter().any(|keys| *keys > 2), "some of them shared a call");
}

#[tokio::test]
async fn releases_go_before_acquisitions() {
    let bench = Bench::new(0).await;
    let (first, second) = (claims(20, "key"), claims(20, "key"));
    let tokens: Vec<_> = bench.acquire(&first).await.iter().map(token).collect();
    bench.relay.calls();
    let (after, freed) = tokio::join!(bench.acquire(&second), bench.release(&first));
    assert!(freed.into_iter().all(|freed| freed.unwrap()));
    for (before, after) in tokens.iter().zip(&after) {
        assert!(token(after) > *before);
    }
    assert_eq!(bench.relay.calls(), [60]);
}

#[tokio::test]
async fn a_release_never_overtakes_the_acquisition_that_it_takes_back() {
    let bench = Bench::new(0).await;
    let claims = claims(20, "key");
    let (attempts, freed) = tokio::join!(bench.acquire(&claims), bench.release(&claims));
    assert!(attempts.iter().all(|attempt| token(attempt) > 0));
    assert!(freed.into_iter().all(|freed| freed.unwrap()));
    assert_eq!(bench.held().await, Vec::<String>::new());
}

#[tokio::test]
async fn one_key_is_taken_once_and_released_once() {
    let bench = Bench::new(0).await;
    let rivals: Vec<_> = (0..20).map(|_| claim("wanted")).collect();
    let attempts = bench.acquire(&rivals).await;
    let winner = attempts.iter().position(|attempt| matches!(attempt, Ok(Attempt::Acquired(_)))).unwrap();
    for (place, attempt) in attempts.iter().enumerate().filter(|(place, _)| *place != winner) {
        let Ok(Attempt::Busy(busy)) = attempt else { panic!("{place}: {attempt:?}") };
        assert!(busy.retry_after().unwrap() > LEASE / 2);
    }
    let again = vec![rivals[winner].clone(); 5];
    assert!(bench.acquire(&again).await.iter().all(|attempt| token(attempt) == token(&attempts[winner])));
    let freed = bench.release(&again).await;
    assert_eq!(freed.into_iter().filter(|freed| *freed.as_ref().unwrap()).count(), 1);
}

#[tokio::test]
async fn leases_of_one_call_may_differ() {
    let bench = Bench::new(0).await;
    let claims = claims(10, "key");
    let leases: Vec<_> = (1..=10).map(|number| LEASE * number).collect();
    join_all(claims.iter().zip(&leases).map(|(claim, lease)| bench.lock.try_acquire(claim, *lease))).await;
    assert_eq!(bench.relay.calls(), [20]);
    for (claim, lease) in claims.iter().zip(leases) {
        let rest = bench.lock.inspect(claim.key()).await.unwrap().unwrap().remaining();
        assert!(rest <= lease && rest > lease - LEASE / 2, "{rest:?} of {lease:?}");
    }
}

#[tokio::test]
async fn tokens_outrun_counters_that_are_ahead_of_the_clock() {
    let bench = Bench::new(0).await;
    let claims = claims(50, "key");
    let before: Vec<_> = bench.acquire(&claims).await.iter().map(token).collect();
    assert!(bench.release(&claims).await.into_iter().all(|freed| freed.unwrap()));
    let ahead = before.iter().max().unwrap() + 3_600_000_000;
    let counters = bench.keys("1:fence:*").await;
    let () = bench.connection.clone().set(&counters[0], ahead).await.unwrap();
    // One that is no number counts as none.
    let () = bench.connection.clone().set(&counters[1], "zz").await.unwrap();
    for _ in 0..3 {
        let after: Vec<_> = bench.acquire(&claims).await.iter().map(token).collect();
        assert!(after.iter().all(|token| *token > ahead), "{after:?}");
        assert!(bench.release(&claims).await.into_iter().all(|freed| freed.unwrap()));
    }
    // Whoever goes alone goes on from there.
    let alone = RedisLock::new(bench.connection.clone()).with_namespace(bench.namespace.clone());
    for claim in &claims {
        assert!(token(&alone.try_acquire(claim, LEASE).await) > ahead);
    }
}

#[tokio::test]
async fn one_bad_key_does_not_hurt_the_others() {
    let bench = Bench::new(0).await;
    let claims = claims(20, "key");
    bench.acquire(&claims).await;
    let names = bench.held().await;
    let name = |number: usize| names.iter().find(|name| name.ends_with(&format!("key:{number}"))).unwrap();
    bench.release(&claims).await;
    let () = bench.connection.clone().rpush(name(7), "a list").await.unwrap();
    let () = bench.connection.clone().set(name(8), "some text").await.unwrap();
    let attempts = bench.acquire(&claims).await;
    for (number, attempt) in attempts.iter().enumerate() {
        match attempt {
            Err(error) if number == 7 || number == 8 => assert_eq!(error.kind(), ErrorKind::WrongType),
            attempt => assert!(token(attempt) > 0),
        }
    }
    for (number, freed) in bench.release(&claims).await.into_iter().enumerate() {
        assert_eq!(freed.unwrap(), number != 7 && number != 8);
    }
    assert_eq!(bench.held().await.len(), 2);
}

#[tokio::test]
async fn what_is_no_counter_is_not_overwritten() {
    let bench = Bench::new(0).await;
    let claims = claims(20, "key");
    bench.acquire(&claims[..1]).await;
    let counter = bench.keys("1:fence:*").await.swap_remove(0);
    bench.release(&claims[..1]).await;
    let mut connection = bench.connection.clone();
    let () = connection.del(&counter).await.unwrap();
    let () = connection.rpush(&counter, "a list").await.unwrap();
    // Some have this counter in common, perhaps; the first one does for certain.
    let alone = RedisLock::new(connection.clone()).with_namespace(bench.namespace.clone());
    let mut refused = Vec::new();
    for (claim, attempt) in claims.iter().zip(bench.acquire(&claims).await) {
        match attempt {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WrongType, "{error}");
                refused.push(claim);
            }
            attempt => assert!(token(&attempt) > 0),
        }
    }
    assert!(refused.contains(&&claims[0]) && refused.len() < 20, "{refused:?}");
    assert_eq!(bench.held().await.len(), 20 - refused.len(), "no lock without a token stays behind");
    let kept: Vec<String> = connection.lrange(&counter, 0, -1).await.unwrap();
    assert_eq!(kept, ["a list"]);
    for claim in refused {
        assert_eq!(alone.try_acquire(claim, LEASE).await.unwrap_err().kind(), ErrorKind::WrongType, "as alone");
    }
}

#[tokio::test]
async fn a_failed_call_is_an_unknown_outcome_for_all_in_it() {
    let bench = Bench::new(0).await;
    let locks = bench.manager();
    let claims = claims(40, "key");
    // So that the server has the scripts: its answer that it lacks one gets lost as well.
    bench.acquire(&claims).await;
    bench.release(&claims).await;
    bench.relay.loses_replies(true);
    for attempt in bench.acquire(&claims).await {
        assert_eq!(attempt.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    }
    eventually(PATIENCE, async || bench.held().await.len() == claims.len()).await;
    for freed in bench.release(&claims).await {
        assert_eq!(freed.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    }
    eventually(PATIENCE, async || bench.held().await.is_empty()).await;
    let attempts = join_all((0..40).map(|number| locks.try_lock(format!("managed:{number}")).into_future())).await;
    for attempt in attempts {
        assert_eq!(attempt.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
    }
    // All of this was carried out. The manager takes back what it got as soon as it can, perhaps before it hears of it.
    bench.relay.loses_replies(false);
    eventually(PATIENCE, async || bench.held().await.is_empty()).await;
    assert!(locks.try_lock("managed:1").await.unwrap().is_some());
}

#[tokio::test]
async fn callers_that_go_away_leave_nothing() {
    let bench = Bench::new(0).await;
    let (locks, started) = (bench.manager(), Arc::new(AtomicUsize::new(0)));
    bench.relay.close();
    let take = |number: usize| {
        let (locks, started) = (locks.clone(), Arc::clone(&started));
        tokio::spawn(async move {
            started.fetch_add(1, Ordering::Relaxed);
            locks.try_lock(format!("key:{number}")).await.unwrap().unwrap()
        })
    };
    let mut tasks: Vec<_> = (0..40).map(take).collect();
    eventually(PATIENCE, async || bench.relay.called() > 0).await;
    tasks.extend((40..80).map(take));
    eventually(PATIENCE, async || started.load(Ordering::Relaxed) == 80).await;
    for task in tasks.iter().step_by(2) {
        task.abort();
    }
    bench.relay.open();
    let mut kept = Vec::new();
    for task in tasks.into_iter().skip(1).step_by(2) {
        kept.push(task.await.unwrap());
    }
    eventually(PATIENCE, async || bench.held().await.len() == 40).await;
    for guard in kept {
        assert!(!guard.is_lost());
        assert_eq!(guard.release().await, Release::Released);
    }
    assert_eq!(bench.held().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_nobody_waits_for_is_not_sent() {
    let bench = Bench::new(0).await;
    bench.relay.close();
    let spawn = |claims: &Vec<Claim>| {
        let (lock, claims) = (bench.lock.clone(), claims.clone());
        tokio::spawn(async move { join_all(claims.iter().map(|claim| lock.try_acquire(claim, LEASE))).await })
    };
    // As many calls are under way as may be, so the last lot has to wait.
    let mut sent = Vec::new();
    for call in 0..CALLS {
        sent.push(spawn(&claims(5, &format!("call {call}"))));
        eventually(PATIENCE, async || bench.relay.called() == call + 1).await;
    }
    let waiting = spawn(&claims(5, "last"));
    tokio::task::yield_now().await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    bench.relay.open();
    for lot in sent {
        assert!(lot.await.unwrap().iter().all(|attempt| token(attempt) > 0));
    }
    assert_eq!(bench.held().await.len(), 5 * CALLS);
    assert_eq!(bench.relay.calls(), [10; CALLS]);
}

#[test]
fn nobody_waits_for_a_runtime_that_is_gone() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (doomed, survivor) = (runtime(), runtime());
    let bench = survivor.block_on(Bench::new(0));
    bench.relay.close();
    for number in 0..CALLS {
        let (lock, claims) = (bench.lock.clone(), claims(5, &format!("call {number}")));
        doomed.spawn(async move { join_all(claims.iter().map(|claim| lock.try_acquire(claim, LEASE))).await });
        survivor.block_on(eventually(PATIENCE, async || bench.relay.called() == number + 1));
    }
    let lock = bench.lock.clone();
    let mut left = Box::pin(async move { lock.try_acquire(&claim("left"), LEASE).await });
    survivor.block_on(async { assert!(futures_util::poll!(&mut left).is_pending()) });
    doomed.shutdown_timeout(PATIENCE);
    let error = survivor.block_on(left).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    bench.relay.open();
    assert!(token(&survivor.block_on(bench.lock.try_acquire(&claim("next"), LEASE))) > 0);
}

#[tokio::test]
async fn on_a_cluster_each_goes_alone() {
    let cluster = RedisCluster::start().await;
    let relay = Relay::new(RedisConfig::cluster(cluster.urls()).connect().await.unwrap());
    let lock = RedisLock::new(relay.clone()).with_group_commit(0);
    let claims = claims(40, "key");
    for _ in 0..2 {
        let attempts = join_all(claims.iter().map(|claim| lock.try_acquire(claim, LEASE))).await;
        assert!(attempts.iter().all(|attempt| token(attempt) > 0));
        assert!(join_all(claims.iter().map(|claim| lock.release(claim))).await.into_iter().all(|freed| freed.unwrap()));
    }
    // The first call was refused; nothing was ever shared after it.
    assert_eq!(relay.calls().iter().filter(|keys| **keys > 2).count(), 1);
}
