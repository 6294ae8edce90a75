//! Channels over one connection.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use nebula_redis::{Connection, ErrorKind, Event, Subscriber, Subscription, redis};
use nebula_test_support::{RedisServer, TcpProxy, eventually};
use support::{LONG, config, quiet, text};

async fn publish(connection: &Connection, channel: &str, payload: &str) -> i64 {
    redis::cmd("PUBLISH").arg(channel).arg(payload).query_async(&mut connection.clone()).await.unwrap()
}

async fn channels(connection: &Connection) -> Vec<String> {
    redis::cmd("PUBSUB").arg("CHANNELS").query_async(&mut connection.clone()).await.unwrap()
}

/// Connections that are subscribed to anything.
async fn links(connection: &Connection) -> usize {
    text(&mut connection.clone(), &["CLIENT", "LIST", "TYPE", "pubsub"]).await.unwrap().lines().count()
}

async fn next(subscription: &mut Subscription) -> Event {
    tokio::time::timeout(LONG, subscription.next()).await.unwrap().unwrap()
}

async fn payload(subscription: &mut Subscription) -> String {
    match next(subscription).await {
        Event::Message { payload, channel } => {
            assert_eq!(&*channel, subscription.channel());
            String::from_utf8(payload.to_vec()).unwrap()
        }
        other => panic!("{other:?} instead of a message"),
    }
}

struct Bench {
    server: RedisServer,
    subscriber: Subscriber,
    connection: Connection,
}

impl Bench {
    async fn new() -> Self {
        let server = RedisServer::start().await;
        let connection = config(server.url()).connect().await.unwrap();
        Self { subscriber: config(server.url()).subscriber().unwrap(), server, connection }
    }
}

#[tokio::test]
async fn what_is_published_after_the_confirmation_is_delivered() {
    let bench = Bench::new().await;
    for round in 0..100 {
        let channel = format!("channel-{round}");
        let mut subscription = bench.subscriber.subscribe(&channel).await.unwrap();
        assert_eq!(publish(&bench.connection, &channel, "hello").await, 1);
        assert_eq!(payload(&mut subscription).await, "hello");
    }
}

#[tokio::test]
async fn many_subscriptions_share_one_connection_and_one_channel() {
    let bench = Bench::new().await;
    let mut subscriptions = Vec::new();
    for index in 0..50 {
        subscriptions.push(bench.subscriber.clone().subscribe(&format!("channel-{}", index % 5)).await.unwrap());
    }
    assert_eq!(links(&bench.connection).await, 1);
    assert_eq!(publish(&bench.connection, "channel-3", "x").await, 1, "the server sends it once");
    for subscription in subscriptions.iter_mut().filter(|subscription| subscription.channel() == "channel-3") {
        assert_eq!(payload(subscription).await, "x");
    }
}

#[tokio::test]
async fn the_last_subscription_of_a_channel_unsubscribes() {
    let bench = Bench::new().await;
    let first = bench.subscriber.subscribe("a").await.unwrap();
    let mut second = bench.subscriber.subscribe("a").await.unwrap();
    let other = bench.subscriber.subscribe("b").await.unwrap();
    drop(first);
    drop(other);
    eventually(LONG, || async { channels(&bench.connection).await == ["a"] }).await;
    publish(&bench.connection, "a", "still here").await;
    assert_eq!(payload(&mut second).await, "still here");
    drop(second);
    eventually(LONG, || async { channels(&bench.connection).await.is_empty() }).await;
}

#[tokio::test]
async fn nothing_is_connected_before_the_first_subscription_and_after_the_last_handle() {
    let server = RedisServer::start().await;
    let proxy = TcpProxy::to_port(server.port()).await;
    let subscriber = config(server.url_via(proxy.port())).subscriber().unwrap();
    let other = subscriber.clone();
    assert_eq!(proxy.connections(), 0);
    let subscription = subscriber.subscribe("a").await.unwrap();
    drop(subscriber);
    drop(other);
    assert_eq!(proxy.open_connections(), 1, "a subscription keeps the connection");
    drop(subscription);
    eventually(LONG, || async { proxy.open_connections() == 0 }).await;
}

#[tokio::test]
async fn after_a_restart_of_the_server_everybody_is_told_and_served_again() {
    let mut bench = Bench::new().await;
    let mut a = bench.subscriber.subscribe("a").await.unwrap();
    let mut b = bench.subscriber.subscribe("b").await.unwrap();
    bench.server.restart().await;
    assert_eq!(next(&mut a).await, Event::Resubscribed);
    assert_eq!(next(&mut b).await, Event::Resubscribed);
    let connection = config(bench.server.url()).connect().await.unwrap();
    publish(&connection, "a", "1").await;
    publish(&connection, "b", "2").await;
    assert_eq!((payload(&mut a).await, payload(&mut b).await), ("1".to_owned(), "2".to_owned()));
}

#[tokio::test]
async fn a_cut_link_is_replaced_and_told_of_once() {
    let server = RedisServer::start().await;
    let connection = config(server.url()).connect().await.unwrap();
    let proxy = TcpProxy::to_port(server.port()).await;
    let subscriber = config(server.url_via(proxy.port())).subscriber().unwrap();
    let mut subscription = subscriber.subscribe("a").await.unwrap();
    proxy.cut().await;
    // A subscription that is made meanwhile waits, and has missed nothing.
    let meanwhile = tokio::spawn({
        let subscriber = subscriber.clone();
        async move { subscriber.subscribe("b").await }
    });
    proxy.heal().await;
    assert_eq!(next(&mut subscription).await, Event::Resubscribed);
    let mut meanwhile = meanwhile.await.unwrap().unwrap();
    publish(&connection, "a", "x").await;
    publish(&connection, "b", "y").await;
    assert_eq!(payload(&mut subscription).await, "x");
    assert_eq!(payload(&mut meanwhile).await, "y");
}

#[tokio::test]
async fn a_half_open_link_is_found_by_ping_and_replaced() {
    let server = RedisServer::start().await;
    let connection = config(server.url()).connect().await.unwrap();
    let proxy = TcpProxy::to_port(server.port()).await;
    let config = config(server.url_via(proxy.port())).with_response_timeout(Duration::from_millis(300));
    let mut subscription = config.subscriber().unwrap().subscribe("a").await.unwrap();
    proxy.black_hole();
    eventually(LONG, || async { proxy.connections() > 1 }).await;
    proxy.heal().await;
    assert_eq!(next(&mut subscription).await, Event::Resubscribed);
    eventually(LONG, || async { publish(&connection, "a", "x").await == 1 }).await;
    assert_eq!(payload(&mut subscription).await, "x");
}

#[tokio::test]
async fn a_quiet_link_is_left_alone() {
    let server = RedisServer::start().await;
    let proxy = TcpProxy::to_port(server.port()).await;
    let config = config(server.url_via(proxy.port())).with_keep_alive(Duration::from_millis(10));
    let mut subscription = config.subscriber().unwrap().subscribe("a").await.unwrap();
    let before = proxy.request_bytes();
    // Some pings were sent and answered, and nothing came of it.
    eventually(LONG, || async { proxy.request_bytes() > before + 200 }).await;
    assert_eq!(proxy.connections(), 1);
    assert!(tokio::time::timeout(Duration::ZERO, subscription.next()).await.is_err(), "no event");
}

#[tokio::test]
async fn a_subscription_waits_for_the_server_and_gives_up_in_time() {
    let mut server = RedisServer::start().await;
    server.kill();
    let short = quiet(server.url()).with_connect_timeout(Duration::from_millis(200));
    let short = short.with_response_timeout(Duration::from_millis(100)).subscriber().unwrap();
    let error = tokio::time::timeout(LONG, short.subscribe("a")).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("refused"), "the reason is told: {error}");

    let patient = quiet(server.url()).with_connect_timeout(LONG).subscriber().unwrap();
    let waiting = tokio::spawn(async move { patient.subscribe("a").await });
    server.restart().await;
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_wrong_password_is_told_at_once() {
    let server = RedisServer::options().password("secret").start().await;
    for config in [quiet(server.url()).with_password("wrong"), quiet(format!("redis://127.0.0.1:{}/", server.port()))] {
        let subscriber = config.with_connect_timeout(LONG).subscriber().unwrap();
        let error = subscriber.subscribe("a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AuthFailed, "{error}");
    }
}

#[tokio::test]
async fn a_forbidden_channel_harms_no_other() {
    let bench = Bench::new().await;
    let rules = ["ACL", "SETUSER", "guest", "on", ">pw", "+@all", "resetchannels", "&open:*"];
    text(&mut bench.connection.clone(), &rules).await.unwrap();
    let subscriber = config(bench.server.url()).with_username("guest").with_password("pw").subscriber().unwrap();
    let mut open = subscriber.subscribe("open:a").await.unwrap();
    let error = subscriber.subscribe("closed:a").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    publish(&bench.connection, "open:a", "x").await;
    assert_eq!(payload(&mut open).await, "x");
    // Once it is allowed it works, over the same connection.
    text(&mut bench.connection.clone(), &["ACL", "SETUSER", "guest", "&closed:*"]).await.unwrap();
    subscriber.subscribe("closed:a").await.unwrap();
    assert_eq!(links(&bench.connection).await, 1);
}

#[tokio::test]
async fn a_dropped_subscribe_leaves_nothing_behind() {
    let bench = Bench::new().await;
    let proxy = TcpProxy::to_port(bench.server.port()).await;
    let subscriber = config(bench.server.url_via(proxy.port())).subscriber().unwrap();
    let mut kept = subscriber.subscribe("kept").await.unwrap();
    proxy.delay(Duration::from_millis(3));
    for millis in 0..20 {
        // Given up before it was sent, while under way, and (later rounds) perhaps not at all.
        let channel = format!("dropped-{}", millis % 3);
        let _ = tokio::time::timeout(Duration::from_millis(millis), subscriber.subscribe(&channel)).await;
    }
    proxy.delay(Duration::ZERO);
    eventually(LONG, || async { channels(&bench.connection).await == ["kept"] }).await;
    publish(&bench.connection, "kept", "x").await;
    assert_eq!(payload(&mut kept).await, "x");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribing_and_dropping_in_many_tasks_ends_in_the_right_state() {
    let bench = Bench::new().await;
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let (subscriber, connection) = (bench.subscriber.clone(), bench.connection.clone());
            tokio::spawn(async move {
                for round in 0..50 {
                    let channel = format!("channel-{}", (task + round) % 3);
                    let mut subscription = subscriber.subscribe(&channel).await.unwrap();
                    let mark = format!("{task}-{round}");
                    assert_eq!(publish(&connection, &channel, &mark).await, 1);
                    // Others publish there, too; ours must be among them.
                    while payload(&mut subscription).await != mark {}
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    eventually(LONG, || async { channels(&bench.connection).await.is_empty() }).await;
}

#[tokio::test]
async fn a_slow_reader_is_told_how_much_it_missed() {
    let bench = Bench::new().await;
    let mut slow = bench.subscriber.subscribe("a").await.unwrap();
    let mut last = bench.subscriber.subscribe("last").await.unwrap();
    for number in 0..1000 {
        publish(&bench.connection, "a", &number.to_string()).await;
    }
    publish(&bench.connection, "last", "x").await;
    // One connection, so the thousand have arrived when this one has.
    payload(&mut last).await;
    let Event::Lagged(missed) = next(&mut slow).await else { panic!("not told") };
    for number in missed..1000 {
        assert_eq!(payload(&mut slow).await, number.to_string(), "the newest are kept, in order");
    }
    assert!((1..1000).contains(&missed));
}

#[tokio::test]
async fn a_reader_hears_only_what_it_wants() {
    let bench = Bench::new().await;
    let mut some = bench.subscriber.subscribe_for("a", |payload| payload.starts_with(b"for me")).await.unwrap();
    let mut all = bench.subscriber.subscribe("a").await.unwrap();
    for text in ["for you", "for me: 1", "", "for me: 2"] {
        publish(&bench.connection, "a", text).await;
    }
    assert_eq!((payload(&mut some).await, payload(&mut some).await), ("for me: 1".to_owned(), "for me: 2".to_owned()));
    for text in ["for you", "for me: 1", "", "for me: 2"] {
        assert_eq!(payload(&mut all).await, text);
    }
}

/// Whoever joins hears what is published from then on, without a word to the server.
#[tokio::test]
async fn a_confirmed_channel_can_be_joined() {
    let bench = Bench::new().await;
    let any = |_: &[u8]| true;
    assert!(bench.subscriber.join("a", any).is_none(), "nobody has subscribed");
    let first = bench.subscriber.subscribe("a").await.unwrap();
    for round in 0..100 {
        let mut joined = bench.subscriber.join("a", any).unwrap();
        publish(&bench.connection, "a", &round.to_string()).await;
        assert_eq!(payload(&mut joined).await, round.to_string());
    }
    let mut last = bench.subscriber.join("a", any).unwrap();
    drop(first);
    publish(&bench.connection, "a", "still there").await;
    assert_eq!(payload(&mut last).await, "still there");
    redis::cmd("CLIENT").arg(&["KILL", "TYPE", "pubsub"]).exec_async(&mut bench.connection.clone()).await.unwrap();
    while next(&mut last).await != Event::Resubscribed {}
    drop(last);
    eventually(LONG, || async { channels(&bench.connection).await.is_empty() }).await;
    eventually(LONG, || async { bench.subscriber.join("a", any).is_none() }).await;
    let kept = bench.subscriber.subscribe("a").await.unwrap();
    bench.subscriber.shutdown().await;
    assert!(bench.subscriber.join("a", any).is_none(), "nobody listens any more");
    drop(kept);
}

#[tokio::test]
async fn shutdown_ends_everything() {
    let bench = Bench::new().await;
    let mut subscription = bench.subscriber.subscribe("a").await.unwrap();
    let mut other = bench.subscriber.subscribe("other").await.unwrap();
    publish(&bench.connection, "a", "last words").await;
    publish(&bench.connection, "other", "x").await;
    payload(&mut other).await;
    bench.subscriber.shutdown().await;
    bench.subscriber.shutdown().await;
    assert_eq!(payload(&mut subscription).await, "last words");
    assert_eq!(subscription.next().await, None);
    assert_eq!(subscription.next().await, None);
    assert_eq!(bench.subscriber.subscribe("b").await.unwrap_err().kind(), ErrorKind::Closed);
    eventually(LONG, || async { links(&bench.connection).await == 0 }).await;
}

#[tokio::test]
async fn a_shutdown_while_a_subscription_waits_ends_the_wait() {
    let mut server = RedisServer::start().await;
    server.kill();
    let subscriber = quiet(server.url()).with_connect_timeout(LONG).subscriber().unwrap();
    let waiting = tokio::spawn({
        let subscriber = subscriber.clone();
        async move { subscriber.subscribe("a").await }
    });
    tokio::task::yield_now().await;
    subscriber.shutdown().await;
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
}
