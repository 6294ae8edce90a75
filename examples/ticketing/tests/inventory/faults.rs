//! The ledger on Redis when servers and networks fail.

use std::{sync::Arc, time::Duration};

use nebula_redis::RedisConfig;
use nebula_test_support::{RedisServer, TcpProxy, eventually};
use ticketing::{
    ids::{OrderId, SessionId},
    inventory::{Changes, Cursor, Hold, LedgerError, LedgerImage, Load, RedisLedger, SeatLedger, Settled},
};

use crate::fixture::{empty, held, image_order, letters, open, redis_ledger, request};

const PATIENCE: Duration = Duration::from_secs(60);

fn config(url: String) -> RedisConfig {
    RedisConfig::new(url)
        .with_connect_timeout(Duration::from_secs(2))
        .with_response_timeout(Duration::from_secs(1))
        .with_reconnect(Duration::from_millis(10), Duration::from_millis(100))
        .with_keep_alive(Duration::from_millis(500))
}

/// The first answer after a fault; until then the ledger may be unreachable, but must say so.
async fn first_answer(ledger: &RedisLedger, session: SessionId) -> Hold {
    eventually(PATIENCE, || async {
        match ledger.hold(&request(session, &[1])).await {
            Ok(hold) => Ok(hold),
            Err(error @ LedgerError::Unavailable { .. }) => Err(error),
            Err(error) => panic!("{error}"),
        }
    })
    .await
}

async fn assert_not_ready(ledger: &RedisLedger, session: SessionId, order: OrderId, cursor: Cursor) {
    assert_eq!(ledger.release(session, order).await.unwrap(), Settled::NotReady);
    assert_eq!(ledger.sell(session, order).await.unwrap(), Settled::NotReady);
    assert_eq!(ledger.snapshot(session).await.unwrap(), None);
    assert_eq!(ledger.counts(session).await.unwrap(), None);
    assert_eq!(ledger.changes(session, cursor).await.unwrap(), Changes::Reset);
    assert_eq!(ledger.holds(session, Duration::ZERO, 9).await.unwrap(), []);
}

#[tokio::test]
async fn a_server_that_restarts_empty_is_not_ready() {
    let mut server = RedisServer::start().await;
    let ledger = redis_ledger(&config(server.url()));
    let session = open(&ledger, 3).await;
    let order = held(&ledger, session, &[0]).await.order;
    let cursor = ledger.counts(session).await.unwrap().unwrap().cursor;
    server.restart_empty().await;
    assert_eq!(first_answer(&ledger, session).await, Hold::NotReady);
    assert_not_ready(&ledger, session, order, cursor).await;
    assert_eq!(ledger.load(session, &empty(2, 3)).await.unwrap(), Load::Done);
    assert_eq!(letters(&ledger, session).await, "AAA");
}

#[tokio::test]
async fn a_server_that_restarts_from_its_file_is_not_ready() {
    let mut server = RedisServer::options().append_only().start().await;
    let ledger = redis_ledger(&config(server.url()));
    let session = open(&ledger, 3).await;
    let order = held(&ledger, session, &[0]).await.order;
    let cursor = ledger.counts(session).await.unwrap().unwrap().cursor;
    server.restart().await;
    // The file brought everything back, yet nobody can know how old it is.
    let mut connection = config(server.url()).connect().await.unwrap();
    let keys: u32 = redis::cmd("DBSIZE").query_async(&mut connection).await.unwrap();
    assert!(keys >= 6, "{keys} keys");
    assert_eq!(first_answer(&ledger, session).await, Hold::NotReady);
    assert_not_ready(&ledger, session, order, cursor).await;
    assert_eq!(ledger.load(session, &empty(1, 3)).await.unwrap(), Load::Behind { present: 1 });
    assert_not_ready(&ledger, session, order, cursor).await;
    let image = LedgerImage { orders: vec![image_order(&[2], true)], ..empty(2, 3) };
    assert_eq!(ledger.load(session, &image).await.unwrap(), Load::Done);
    assert_eq!(letters(&ledger, session).await, "AAS");
}

#[tokio::test]
async fn a_silent_network_is_an_error_and_asking_again_is_safe() {
    let server = RedisServer::start().await;
    let proxy = TcpProxy::to_port(server.port()).await;
    let ledger = redis_ledger(&config(server.url_via(proxy.port())));
    let direct = redis_ledger(&config(server.url()));
    let session = open(&direct, 4).await;
    held(&ledger, session, &[3]).await;

    // The server gets the request and holds the seats; its answer never arrives.
    proxy.black_hole_replies();
    let request = request(session, &[0, 1]);
    let lost = tokio::time::timeout(PATIENCE, ledger.hold(&request)).await.expect("a deadline");
    assert!(matches!(lost, Err(LedgerError::Unavailable { .. })), "{lost:?}");
    assert_eq!(letters(&direct, session).await, "LLAL");

    proxy.heal().await;
    let answer = eventually(PATIENCE, || async { ledger.hold(&request).await }).await;
    assert_eq!(answer, Hold::Held { epoch: 1 });
    assert_eq!(letters(&ledger, session).await, "LLAL");
    assert_eq!(ledger.release(session, request.order).await.unwrap(), Settled::Changed(2));

    // A request that never arrives changes nothing, and the same order may still have the seats.
    proxy.black_hole();
    let lost = tokio::time::timeout(PATIENCE, ledger.hold(&request)).await.expect("a deadline");
    assert!(matches!(lost, Err(LedgerError::Unavailable { .. })), "{lost:?}");
    proxy.heal().await;
    assert_eq!(eventually(PATIENCE, || async { ledger.hold(&request).await }).await, Hold::Held { epoch: 1 });
}

#[tokio::test]
async fn a_dead_server_is_an_error_within_a_deadline() {
    let mut server = RedisServer::start().await;
    let ledger = redis_ledger(&config(server.url()));
    let session = open(&ledger, 2).await;
    server.kill();
    for _ in 0..3 {
        let answer = tokio::time::timeout(PATIENCE, ledger.hold(&request(session, &[0]))).await.expect("a deadline");
        assert!(matches!(answer, Err(LedgerError::Unavailable { .. })), "{answer:?}");
    }
}

#[tokio::test]
async fn watches_survive_the_server() {
    let mut server = RedisServer::start().await;
    let ledger = redis_ledger(&config(server.url()));
    let session = open(&ledger, 2).await;
    let mut watch = ledger.watch(session);
    server.restart_empty().await;
    eventually(PATIENCE, || async { ledger.load(session, &empty(5, 2)).await.is_ok() }).await;
    // Whatever was missed: hints come again for what happens from now on.
    let mut seats = 0..;
    eventually(PATIENCE, || {
        watch.mark_unchanged();
        let seat = seats.next().unwrap() % 2;
        let mut watch = watch.clone();
        let ledger = &ledger;
        async move {
            let order = held(ledger, session, &[seat]).await.order;
            let hint = tokio::time::timeout(Duration::from_millis(300), watch.changed()).await;
            assert_eq!(ledger.release(session, order).await.unwrap(), Settled::Changed(1));
            hint.is_ok()
        }
    })
    .await;
}

/// A loader that dies at any moment leaves the session closed or open, never half.
#[tokio::test]
async fn a_load_that_is_broken_off_never_shows_a_half() {
    let server = RedisServer::start().await;
    let ledger = Arc::new(redis_ledger(&config(server.url()).with_response_timeout(Duration::from_secs(30))));
    let seats: u32 = 20_000;
    let orders: Vec<_> = (0..seats / 4).map(|n| image_order(&[4 * n, 4 * n + 1, 4 * n + 2], n % 2 == 0)).collect();
    let image = Arc::new(LedgerImage { orders, ..empty(1, seats) });
    let (locked, sold) = (7_500, 7_500);
    let whole =
        |counts: ticketing::inventory::Counts| (counts.seats, counts.locked, counts.sold) == (seats, locked, sold);

    let mut broken = 0;
    for pause in [0, 1, 2, 5, 10, 20, 40, 80, 160, 320] {
        let session = SessionId::new();
        let task = {
            let (ledger, image) = (Arc::clone(&ledger), Arc::clone(&image));
            tokio::spawn(async move { ledger.load(session, &image).await })
        };
        tokio::time::sleep(Duration::from_millis(pause)).await;
        task.abort();
        let ended = task.await.is_ok();
        // A command that was under way may still arrive.
        let counts = ledger.counts(session).await.unwrap();
        assert!(counts.is_none_or(whole), "after {pause} ms: {counts:?}");
        assert!(counts.is_some() || !ended);
        if counts.is_none() {
            broken += 1;
            assert_eq!(ledger.hold(&request(session, &[3])).await.unwrap(), Hold::NotReady);
        }
        // Another loader takes over, under a later epoch.
        let next = LedgerImage { epoch: 2, ..(*image).clone() };
        assert_eq!(ledger.load(session, &next).await.unwrap(), Load::Done);
        assert!(whole(ledger.counts(session).await.unwrap().unwrap()));
        assert_eq!(ledger.hold(&request(session, &[3])).await.unwrap(), Hold::Held { epoch: 2 });
    }
    assert!(broken > 0, "every load was quicker than its end");
}

/// Any key can be lost to an eviction policy; then the session is loaded anew.
#[tokio::test]
async fn a_session_that_lost_a_key_is_not_ready() {
    let server = RedisServer::start().await;
    let ledger = redis_ledger(&config(server.url())).with_prefix("p:");
    let mut connection = config(server.url()).connect().await.unwrap();
    for lost in ["book", "states", "orders", "users"] {
        let session = open(&ledger, 3).await;
        let order = held(&ledger, session, &[0]).await.order;
        let cursor = ledger.counts(session).await.unwrap().unwrap().cursor;
        let key = format!("p:{{{session}}}:{lost}");
        let gone: u32 = redis::cmd("DEL").arg(key).query_async(&mut connection).await.unwrap();
        assert_eq!(gone, 1, "{lost}");
        assert_eq!(ledger.hold(&request(session, &[1])).await.unwrap(), Hold::NotReady, "{lost}");
        assert_not_ready(&ledger, session, order, cursor).await;
        assert_eq!(ledger.load(session, &empty(2, 3)).await.unwrap(), Load::Done);
        assert_eq!(letters(&ledger, session).await, "AAA");
    }
}

/// What nobody changes goes away, all of it, and the book first.
#[tokio::test]
async fn every_key_has_an_end() {
    let server = RedisServer::start().await;
    let ledger = redis_ledger(&config(server.url()));
    let mut connection = config(server.url()).connect().await.unwrap();
    let session = SessionId::new();
    let image = LedgerImage { orders: vec![image_order(&[2], false)], ..empty(2, 3) };
    assert_eq!(ledger.load(session, &image).await.unwrap(), Load::Done);
    held(&ledger, session, &[0]).await;
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    assert_eq!(keys.len(), 6, "{keys:?}");
    for key in keys {
        let seconds: i64 = redis::cmd("TTL").arg(&key).query_async(&mut connection).await.unwrap();
        assert!(seconds > 600_000, "{key}: {seconds}");
        assert_eq!(seconds <= 604_800, key.ends_with(":book"), "{key}: {seconds}");
    }
}
