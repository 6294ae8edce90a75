//! Locks that replicas have to know before anybody gets them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::future::IntoFuture;
use std::time::Duration;

use nebula_lock::nebula_redis::RedisConfig;
use nebula_lock::{ErrorKind, LockConfig, LockManager, RedisLock, Release, Shutdown};
use nebula_test_support::{RedisCluster, RedisReplication, RedisServer, eventually};
use redis::AsyncCommands;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);
/// Long for replicas that are there, on a busy machine.
const WAIT: Duration = Duration::from_secs(2);

/// Once all replicas have been heard of.
async fn manager(servers: &RedisReplication, replicas: usize) -> LockManager {
    let config = RedisConfig::new(servers.master.url()).with_response_timeout(PATIENCE);
    let backend = RedisLock::new(config.connect().await.unwrap()).with_subscriber(config.subscriber().unwrap());
    let backend = backend.with_replicas(config.connect().await.unwrap(), replicas, WAIT);
    let manager = LockManager::new(backend).with_command_timeout(PATIENCE);
    manager.lock("first").wait(PATIENCE).await.unwrap().release().await;
    manager
}

async fn locks(server: &RedisServer) -> Vec<String> {
    let client = redis::Client::open(server.url()).unwrap();
    let mut link = client.get_multiplexed_async_connection().await.unwrap();
    let keys: Vec<String> = link.keys("nebula:lock:*").await.unwrap();
    keys.into_iter().filter(|key| !key.contains(":fence:") && !key.contains(":mark:")).collect()
}

#[tokio::test]
async fn what_is_handed_out_is_on_the_replicas() {
    let servers = RedisReplication::start(2).await;
    let manager = manager(&servers, 2).await;
    for number in 0..20 {
        let guard = match number % 4 {
            0 => manager.lock("key").await,
            1 => manager.lock("key").fair().await,
            2 => manager.read("key").await,
            _ => manager.write("key").await,
        };
        let guard = guard.unwrap();
        for replica in &servers.replicas {
            let known = locks(replica).await;
            assert!(known.iter().any(|name| name.ends_with("}:key")), "{known:?}");
        }
        assert_eq!(guard.release().await, Release::Released);
    }
}

#[tokio::test]
async fn a_frozen_replica_is_a_shortfall_and_the_lock_is_given_back() {
    let servers = RedisReplication::start(2).await;
    let (both, one) = (manager(&servers, 2).await, manager(&servers, 1).await);
    servers.replicas[0].stop();
    let error = timeout(PATIENCE, both.try_lock("key").into_future()).await.expect("no hang").unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::NotReplicated, true), "{error}");
    assert!(error.to_string().contains("1 of 2 replicas"), "{error}");
    assert_eq!(locks(&servers.master).await, Vec::<String>::new());
    one.lock("key").await.unwrap().release().await;

    // However many ask, none gets it, all are told, and nothing is left.
    let tasks: Vec<_> =
        (0..100).map(|number| tokio::spawn(both.try_lock(format!("key:{number}")).into_future())).collect();
    for task in tasks {
        let error = timeout(PATIENCE, task).await.expect("no hang").unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotReplicated, "{error}");
    }
    assert_eq!(both.read("key").wait(Duration::ZERO).await.unwrap_err().kind(), ErrorKind::NotReplicated);
    assert_eq!(locks(&servers.master).await, Vec::<String>::new());

    // Whoever waits gets it when the replica is back.
    let waiting = tokio::spawn(both.lock("key").wait(PATIENCE).into_future());
    servers.replicas[0].cont();
    let guard = timeout(PATIENCE, waiting).await.expect("no hang").unwrap().unwrap();
    assert_eq!(guard.release().await, Release::Released);
    assert_eq!(both.shutdown(PATIENCE).await, Shutdown::Drained);
}

#[tokio::test]
async fn a_downgrade_that_replicas_do_not_hear_of_gives_the_lock_back() {
    let servers = RedisReplication::start(2).await;
    let both = manager(&servers, 2).await;
    let guard = both.write("key").await.unwrap();
    servers.replicas[0].stop();
    let error = timeout(PATIENCE, guard.downgrade()).await.expect("no hang").unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::NotReplicated, true), "{error}");
    eventually(PATIENCE, async || locks(&servers.master).await.is_empty()).await;
    servers.replicas[0].cont();
    let guard = both.write("key").wait(PATIENCE).await.unwrap().downgrade().await.unwrap();
    for replica in &servers.replicas {
        assert!(locks(replica).await.iter().any(|name| name.contains(":readers")), "the replicas know the reader");
    }
    assert_eq!(guard.release().await, Release::Released);
    assert_eq!(both.shutdown(PATIENCE).await, Shutdown::Drained);
}

#[tokio::test]
async fn a_lock_that_is_handed_over_has_to_be_known_to_the_replicas_as_well() {
    let servers = RedisReplication::start(2).await;
    let both = manager(&servers, 2).await;
    let guard = both.lock("key").fair().await.unwrap();
    let waiting = tokio::spawn(both.lock("key").fair().wait(Duration::from_secs(8)).into_future());
    eventually(PATIENCE, async || both.inspect("key").await.unwrap().is_some_and(|holder| holder.waiting() == 1)).await;
    servers.replicas[0].stop();
    assert_eq!(guard.release().await, Release::Released);
    let error = timeout(PATIENCE, waiting).await.expect("no hang").unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotReplicated, "{error}");
    eventually(PATIENCE, async || locks(&servers.master).await.is_empty()).await;
}

#[tokio::test]
async fn those_who_go_away_do_not_take_the_answer_of_others_with_them() {
    let servers = RedisReplication::start(1).await;
    let manager = manager(&servers, 1).await;
    for round in 0..20 {
        let mut requests: Vec<_> =
            (0..32).map(|number| Box::pin(manager.lock(format!("key:{number}")).into_future())).collect();
        for request in &mut requests {
            let _ = timeout(Duration::from_micros(50 * round), request.as_mut()).await.map(drop);
        }
        drop(requests);
        for number in 0..32 {
            let guard = timeout(PATIENCE, manager.lock(format!("key:{number}")).wait(PATIENCE).into_future());
            guard.await.expect("no hang").unwrap().release().await;
        }
    }
    assert_eq!(manager.shutdown(PATIENCE).await, Shutdown::Drained);
    eventually(PATIENCE, async || locks(&servers.master).await.is_empty()).await;
    assert_eq!(locks(&servers.master).await, Vec::<String>::new());
}

/// Whoever asks for all others may go down with its runtime.
#[test]
fn a_runtime_that_ends_keeps_nobody_from_the_replicas() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (survivor, doomed) = (runtime(), runtime());
    let (servers, manager) = survivor.block_on(async {
        let servers = RedisReplication::start(1).await;
        let manager = manager(&servers, 1).await;
        (servers, manager)
    });
    servers.replicas[0].stop();
    let mut left = manager.lock("left").into_future();
    doomed.block_on(async {
        let waits = eventually(PATIENCE, async || {
            let client = redis::Client::open(servers.master.url()).unwrap();
            let mut link = client.get_multiplexed_async_connection().await.unwrap();
            let clients: String = redis::cmd("INFO").arg("clients").query_async(&mut link).await.unwrap();
            if clients.contains("blocked_clients:1") { Ok(()) } else { Err(clients) }
        });
        tokio::select! {
            outcome = &mut left => panic!("{outcome:?}"),
            () = waits => {}
        }
    });
    doomed.shutdown_background();
    servers.replicas[0].cont();
    let next = survivor.block_on(async { timeout(PATIENCE / 2, manager.lock("next").into_future()).await });
    assert_eq!(survivor.block_on(next.expect("no hang").unwrap().release()), Release::Released);
}

#[tokio::test]
async fn on_a_cluster_and_by_configuration() {
    let cluster = RedisCluster::start().await;
    let configured = |replicas: usize| -> LockConfig {
        let redis = serde_json::json!({
            "cluster": { "nodes": cluster.urls() }, "replicas": replicas, "replication-timeout": "1s"
        });
        serde_json::from_value(serde_json::json!({ "provider": "redis", "redis": redis })).unwrap()
    };
    let (one, two) = (configured(1).connect().await.unwrap(), configured(2).connect().await.unwrap());
    for number in 0..20 {
        one.lock(format!("key:{number}")).await.unwrap().release().await;
    }
    assert_eq!(two.try_lock("key").await.unwrap_err().kind(), ErrorKind::NotReplicated, "each master has one replica");
    for node in &cluster.nodes {
        assert_eq!(locks(node).await, Vec::<String>::new());
    }
    let zero: LockConfig = serde_json::from_value(serde_json::json!({
        "provider": "redis", "redis": { "url": cluster.urls()[0], "replicas": 1, "replication-timeout": 0 }
    }))
    .unwrap();
    assert_eq!(zero.connect().await.unwrap_err().kind(), ErrorKind::ConfigInvalid);
}
