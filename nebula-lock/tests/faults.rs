//! The Redis backend under faults: servers killed, frozen, emptied, cut off; scripts flushed; clients killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::future::IntoFuture;
use std::task::{Context, Waker};
use std::time::Duration;

use nebula_lock::nebula_redis::{Connection, RedisConfig};
use nebula_lock::{ErrorKind, LockManager, LossReason, RedisLock, Release, Shutdown};
use nebula_test_support::{RedisServer, TcpProxy, eventually};
use redis::AsyncCommands;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(60);
const LEASE: Duration = Duration::from_millis(1500);
const FOR_EVER: Duration = Duration::from_secs(3600);

fn config(url: String) -> RedisConfig {
    RedisConfig::new(url)
        .with_response_timeout(Duration::from_millis(400))
        .with_reconnect(Duration::from_millis(10), Duration::from_millis(100))
}

async fn manager(url: String) -> LockManager {
    let config = config(url);
    let connection = config.connect().await.unwrap();
    LockManager::new(RedisLock::new(connection).with_subscriber(config.subscriber().unwrap()))
        .with_command_timeout(Duration::from_secs(1))
        .with_wait(PATIENCE)
}

/// The locks on the server, seen past any proxy.
async fn locks(connection: &mut Connection) -> Vec<String> {
    let keys: Vec<String> = connection.keys("nebula:lock:*").await.unwrap();
    keys.into_iter().filter(|key| !key.contains(":fence:")).collect()
}

async fn no_locks(server: &RedisServer) {
    let mut connection = config(server.url()).connect().await.unwrap();
    eventually(PATIENCE, async || locks(&mut connection.clone()).await.is_empty()).await;
    assert_eq!(locks(&mut connection).await, Vec::<String>::new());
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Kill,
    Freeze,
    BlackHole,
    MuteReplies,
}

async fn loss_is_told_and_the_lock_comes_back(fault: Fault) {
    let mut server = RedisServer::start().await;
    let proxy = TcpProxy::to_port(server.port()).await;
    let locks = manager(server.url_via(proxy.port())).await.with_lease(LEASE);
    let guard = locks.lock("key").await.unwrap();
    let fence = guard.fence();
    match fault {
        Fault::Kill => server.kill(),
        Fault::Freeze => server.stop(),
        Fault::BlackHole => proxy.black_hole(),
        Fault::MuteReplies => proxy.black_hole_replies(),
    }
    let lost = timeout(PATIENCE, guard.run(std::future::pending::<()>())).await.expect("lost in time");
    assert_eq!(lost.unwrap_err().reason(), LossReason::Expired);
    let error = timeout(PATIENCE, locks.try_lock("key")).await.expect("an answer in time").unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::OutcomeUnknown), "{error}");
    assert_eq!(guard.release().await, Release::AlreadyLost);
    match fault {
        Fault::Kill => server.restart_empty().await,
        Fault::Freeze => server.cont(),
        Fault::BlackHole | Fault::MuteReplies => proxy.heal().await,
    }
    let guard = locks.lock("key").await.unwrap();
    assert!(guard.fence() > fence, "tokens increase over {fault:?}");
    assert_eq!(guard.release().await, Release::Released);
    assert_eq!(locks.shutdown(PATIENCE).await, Shutdown::Drained);
    no_locks(&server).await;
}

#[tokio::test]
async fn loss_is_told_when_the_server_is_killed_and_comes_back_empty() {
    loss_is_told_and_the_lock_comes_back(Fault::Kill).await;
}

#[tokio::test]
async fn loss_is_told_when_the_server_freezes() {
    loss_is_told_and_the_lock_comes_back(Fault::Freeze).await;
}

#[tokio::test]
async fn loss_is_told_when_the_link_is_a_black_hole() {
    loss_is_told_and_the_lock_comes_back(Fault::BlackHole).await;
}

#[tokio::test]
async fn loss_is_told_when_only_replies_are_lost() {
    loss_is_told_and_the_lock_comes_back(Fault::MuteReplies).await;
}

#[tokio::test]
async fn a_short_outage_is_survived() {
    let server = RedisServer::start().await;
    let proxy = TcpProxy::to_port(server.port()).await;
    let locks = manager(server.url_via(proxy.port())).await.with_lease(Duration::from_secs(20));
    let guard = locks.lock("key").await.unwrap();
    let start = tokio::time::Instant::now();
    proxy.cut().await;
    // Longer than a third of the lease, so that a renewal falls into the outage.
    sleep(Duration::from_secs(8)).await;
    proxy.heal().await;
    let renewed = eventually(PATIENCE, async || guard.remaining() > Duration::from_secs(18));
    assert_eq!(guard.run(renewed).await, Ok(()), "after {:?}", start.elapsed());
    assert_eq!(guard.release().await, Release::Released);
}

#[tokio::test]
async fn an_acquisition_whose_reply_is_lost_leaves_no_key() {
    let server = RedisServer::start().await;
    let proxy = TcpProxy::to_port(server.port()).await;
    let manager = manager(server.url_via(proxy.port())).await.with_lease(FOR_EVER);
    let mut direct = config(server.url()).connect().await.unwrap();
    manager.lock("warm-up").await.unwrap().release().await;
    proxy.black_hole_replies();
    let error = manager.try_lock("key").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutcomeUnknown, "{error}");
    eventually(PATIENCE, async || locks(&mut direct.clone()).await.len() <= 1).await;
    proxy.heal().await;
    no_locks(&server).await;
    assert_eq!(locks(&mut direct).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_acquisitions_leave_no_key() {
    let server = RedisServer::start().await;
    let manager = manager(server.url()).await.with_lease(FOR_EVER);
    let held = manager.lock("held").await.unwrap();
    for batch in 0..50_u32 {
        let mut requests: Vec<_> = (0..200_u32)
            .map(|number| {
                let key = if number % 4 == 0 { "held".to_owned() } else { format!("key:{batch}:{number}") };
                manager.lock(key).into_future()
            })
            .collect();
        for _ in 0..=batch % 4 {
            // Guards that arrive in time are dropped at once.
            requests.retain_mut(|request| request.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            // From "not yet sent" to "reply under way to the caller".
            sleep(Duration::from_micros(u64::from(batch * 40))).await;
        }
        drop(requests);
    }
    assert_eq!(held.release().await, Release::Released);
    assert_eq!(manager.shutdown(PATIENCE).await, Shutdown::Drained);
    no_locks(&server).await;
    let mut direct = config(server.url()).connect().await.unwrap();
    eventually(PATIENCE, async || {
        let channels: Vec<String> =
            redis::cmd("PUBSUB").arg("CHANNELS").query_async(&mut direct.clone()).await.unwrap();
        channels.is_empty()
    })
    .await;
    let _: () = direct.set("still", "there").await.unwrap();
}

#[tokio::test]
async fn flushed_scripts_and_killed_clients_go_unnoticed() {
    let server = RedisServer::start().await;
    let manager = manager(server.url()).await;
    let mut direct = config(server.url()).connect().await.unwrap();
    let mut last = None;
    for _ in 0..20 {
        let guard = manager.lock("key").await.unwrap();
        let waiting = tokio::spawn(manager.lock("key").into_future());
        eventually(PATIENCE, async || manager.health().await.is_ok_and(|health| health.waiting == 1)).await;
        redis::cmd("SCRIPT").arg("FLUSH").exec_async(&mut direct).await.unwrap();
        redis::cmd("CLIENT").arg(&["KILL", "TYPE", "pubsub"]).exec_async(&mut direct).await.unwrap();
        assert!(Some(guard.fence()) > last);
        assert_eq!(guard.release().await, Release::Released);
        let guard = waiting.await.unwrap().unwrap();
        last = Some(guard.fence());
        assert_eq!(guard.release().await, Release::Released);
    }
}

#[tokio::test]
async fn tokens_outlive_a_clock_that_is_set_back() {
    let server = RedisServer::start().await;
    let manager = manager(server.url()).await;
    let mut direct = config(server.url()).connect().await.unwrap();
    let guard = manager.lock("key").await.unwrap();
    let future = guard.fence().get() + 1_000_000_000;
    guard.release().await;
    // The same as a clock that was 1000 s ahead when the last token was given out.
    let counters: Vec<String> = direct.keys("nebula:lock:1:fence:*").await.unwrap();
    assert_eq!(counters.len(), 1);
    let _: () = direct.set(&counters[0], future).await.unwrap();
    assert_eq!(manager.lock("key").await.unwrap().fence().get(), future + 1);
}

#[tokio::test]
async fn readers_writers_and_fair_callers_survive_killed_clients() {
    let server = RedisServer::start().await;
    let managers = [manager(server.url()).await, manager(server.url()).await];
    let mut direct = config(server.url()).connect().await.unwrap();
    let tasks: Vec<_> = (0..120_usize)
        .map(|number| {
            let manager = managers[number % 2].clone();
            tokio::spawn(async move {
                let request = match number % 4 {
                    0 => manager.write("rw"),
                    1 | 2 => manager.read("rw"),
                    _ => manager.lock("fair").fair(),
                };
                let guard = request.await.unwrap();
                sleep(Duration::from_millis(5)).await;
                guard.release().await
            })
        })
        .collect();
    for _ in 0..10 {
        sleep(Duration::from_millis(30)).await;
        for kind in ["pubsub", "normal"] {
            let kill = redis::cmd("CLIENT").arg(&["KILL", "TYPE", kind, "SKIPME", "yes"]).to_owned();
            kill.exec_async(&mut direct).await.unwrap();
        }
        redis::cmd("SCRIPT").arg("FLUSH").exec_async(&mut direct).await.unwrap();
    }
    for task in tasks {
        // A release whose reply was cut off may not know, but it never finds the lock gone: the lease is long.
        assert!(matches!(task.await.unwrap(), Release::Released | Release::Unknown));
    }
    for manager in managers {
        assert_eq!(manager.shutdown(PATIENCE).await, Shutdown::Drained);
    }
    no_locks(&server).await;
}
