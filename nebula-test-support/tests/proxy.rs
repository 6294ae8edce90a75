//! The faults of the proxy, seen from a real client and a real server.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use nebula_test_support::{RedisServer, TcpProxy, eventually};
use redis::aio::MultiplexedConnection;
use tokio::time::Instant;

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(300);

struct Bench {
    server: RedisServer,
    proxy: TcpProxy,
}

impl Bench {
    async fn new() -> Self {
        let server = RedisServer::start().await;
        let proxy = TcpProxy::to_port(server.port()).await;
        Self { server, proxy }
    }

    async fn connect(&self) -> redis::RedisResult<MultiplexedConnection> {
        self.connect_within(LONG).await
    }

    async fn connect_within(&self, timeout: Duration) -> redis::RedisResult<MultiplexedConnection> {
        let config =
            redis::AsyncConnectionConfig::new().set_response_timeout(Some(LONG)).set_connection_timeout(Some(timeout));
        let client = redis::Client::open(self.server.url_via(self.proxy.port()))?;
        client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// A working connection that gives up on a reply soon.
    async fn connect_impatient(&self) -> MultiplexedConnection {
        let mut connection = self.connect().await.unwrap();
        connection.set_response_timeout(SHORT);
        connection
    }

    /// Past the proxy.
    async fn value(&self, key: &str) -> i64 {
        let client = redis::Client::open(self.server.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        redis::cmd("GET").arg(key).query_async::<Option<i64>>(&mut connection).await.unwrap().unwrap_or_default()
    }
}

async fn incr(connection: &mut MultiplexedConnection, key: &str) -> redis::RedisResult<i64> {
    redis::cmd("INCR").arg(key).query_async(connection).await
}

#[tokio::test]
async fn bytes_and_connections_are_counted() {
    let bench = Bench::new().await;
    let mut connection = bench.connect().await.unwrap();
    incr(&mut connection, "a").await.unwrap();
    assert_eq!(bench.proxy.connections(), 1);
    assert_eq!(bench.proxy.open_connections(), 1);
    assert!(bench.proxy.request_bytes() > 0);
    assert!(bench.proxy.reply_bytes() > 0);
    drop(connection);
    eventually(LONG, || async { bench.proxy.open_connections() == 0 }).await;
    assert_eq!(bench.proxy.connections(), 1);
}

#[tokio::test]
async fn a_cut_resets_and_refuses_until_it_is_healed() {
    let bench = Bench::new().await;
    let mut connection = bench.connect().await.unwrap();
    bench.proxy.cut().await;
    assert!(incr(&mut connection, "a").await.unwrap_err().is_connection_dropped());
    assert!(bench.connect().await.unwrap_err().is_connection_refusal());
    bench.proxy.heal().await;
    let mut connection = bench.connect().await.unwrap();
    assert_eq!(incr(&mut connection, "a").await.unwrap(), 1);
}

#[tokio::test]
async fn a_black_hole_answers_nothing_and_lets_nothing_through() {
    let bench = Bench::new().await;
    let mut connection = bench.connect_impatient().await;
    bench.proxy.black_hole();
    assert!(incr(&mut connection, "a").await.unwrap_err().is_timeout());
    assert!(bench.connect_within(SHORT).await.unwrap_err().is_timeout());
    assert_eq!(bench.value("a").await, 0);

    bench.proxy.heal().await;
    // The stream has a hole; the connection must not go on as if nothing had been lost.
    assert!(incr(&mut connection, "a").await.unwrap_err().is_connection_dropped());
    let mut connection = bench.connect().await.unwrap();
    assert_eq!(incr(&mut connection, "a").await.unwrap(), 1);
}

#[tokio::test]
async fn a_black_hole_for_replies_executes_and_does_not_answer() {
    let bench = Bench::new().await;
    let mut connection = bench.connect_impatient().await;
    bench.proxy.black_hole_replies();
    assert!(incr(&mut connection, "a").await.unwrap_err().is_timeout());
    eventually(LONG, || async { bench.value("a").await == 1 }).await;
}

#[tokio::test]
async fn a_black_hole_for_requests_executes_nothing() {
    let bench = Bench::new().await;
    let mut connection = bench.connect_impatient().await;
    bench.proxy.black_hole_requests();
    assert!(incr(&mut connection, "a").await.unwrap_err().is_timeout());
    assert_eq!(bench.value("a").await, 0);
}

#[tokio::test]
async fn what_was_stalled_arrives_late() {
    let bench = Bench::new().await;
    let mut connection = bench.connect_impatient().await;
    bench.proxy.stall();
    assert!(incr(&mut connection, "a").await.unwrap_err().is_timeout());
    assert_eq!(bench.value("a").await, 0);
    bench.proxy.heal().await;
    eventually(LONG, || async { bench.value("a").await == 1 }).await;
    let mut slow = connection.clone();
    slow.set_response_timeout(LONG);
    assert_eq!(incr(&mut slow, "a").await.unwrap(), 2, "the same connection goes on");
    assert_eq!(bench.proxy.connections(), 1);
}

#[tokio::test]
async fn stalled_replies_arrive_late() {
    let bench = Bench::new().await;
    let mut connection = bench.connect().await.unwrap();
    bench.proxy.stall_replies();
    let call = tokio::spawn(async move { incr(&mut connection, "a").await });
    eventually(LONG, || async { bench.value("a").await == 1 }).await;
    assert!(!call.is_finished());
    bench.proxy.heal().await;
    assert_eq!(call.await.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn a_hang_up_does_not_get_through_a_black_hole() {
    let bench = Bench::new().await;
    let connection = bench.connect().await.unwrap();
    bench.proxy.black_hole();
    drop(connection);
    let mut direct = redis::Client::open(bench.server.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let clients: String = redis::cmd("CLIENT").arg("LIST").query_async(&mut direct).await.unwrap();
    assert_eq!(clients.lines().count(), 2, "the server still believes in the client:\n{clients}");
    bench.proxy.heal().await;
    eventually(LONG, || {
        let mut direct = direct.clone();
        async move {
            let clients: String = redis::cmd("CLIENT").arg("LIST").query_async(&mut direct).await.unwrap();
            clients.lines().count() == 1
        }
    })
    .await;
}

#[tokio::test]
async fn a_delay_counts_in_each_direction_and_leaves_the_throughput_alone() {
    let bench = Bench::new().await;
    let connection = bench.connect().await.unwrap();
    bench.proxy.delay(Duration::from_millis(50));
    let started = Instant::now();
    let calls = (0..50).map(|_| {
        let mut connection = connection.clone();
        async move { incr(&mut connection, "a").await.unwrap() }
    });
    futures_util::future::join_all(calls).await;
    // A lower bound is no timing assertion on the machine: fewer than 100 ms would mean that no delay took place.
    assert!(started.elapsed() >= Duration::from_millis(100));
    assert_eq!(bench.value("a").await, 50);
}

#[tokio::test]
async fn new_connections_go_to_the_new_target() {
    let bench = Bench::new().await;
    let other = RedisServer::start().await;
    let mut old = bench.connect().await.unwrap();
    bench.proxy.retarget(([127, 0, 0, 1], other.port()).into());
    let mut new = bench.connect().await.unwrap();
    incr(&mut new, "a").await.unwrap();
    assert_eq!(bench.value("a").await, 0);
    incr(&mut old, "a").await.unwrap();
    assert_eq!(bench.value("a").await, 1);
}

#[tokio::test]
async fn a_dead_target_looks_like_a_reset() {
    let mut bench = Bench::new().await;
    bench.server.kill();
    assert!(bench.connect().await.unwrap_err().is_connection_dropped());
    bench.server.restart().await;
    assert!(bench.connect().await.is_ok());
}
