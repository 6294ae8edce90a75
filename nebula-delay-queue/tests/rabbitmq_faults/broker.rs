//! What happens to the broker and to the way there.

use std::time::Duration;

use nebula_delay_queue::{DelayMessage, DelayQueue, ErrorKind};
use nebula_test_support::{RabbitMq, TcpProxy, amqp_url, eventually};
use tokio::time::{sleep, timeout};

use super::{HASTE, PATIENCE, QUEUE, Run, Seen, connect, hasty, send};

/// A way to the shared broker that can be cut.
pub(super) async fn proxied() -> (TcpProxy, String) {
    let url = amqp_url().await;
    let (start, rest) = url.split_once('@').unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let proxy = TcpProxy::to(host.parse().unwrap()).await.unwrap();
    let there = format!("{start}@127.0.0.1:{}/{path}", proxy.port());
    (proxy, there)
}

/// All delays from none to three steps of the ladder.
fn run(queue: DelayQueue) -> Run {
    Run::start(queue, 600, Duration::from_secs(5), Duration::from_secs(30))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_confirmed_message_survives_the_death_of_the_broker_and_takes_effect_once() {
    let mut broker = RabbitMq::start().await;
    let queue = connect(broker.url()).await;
    run(queue)
        .deaths(async || {
            broker.kill();
            sleep(Duration::from_millis(300)).await;
            broker.restart().await;
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_and_half_open_connections_lose_nothing() {
    let (proxy, url) = proxied().await;
    run(hasty(url).await).cuts(&proxy, HASTE + Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_link_is_an_error_by_the_deadline() {
    let (proxy, url) = proxied().await;
    let queue = hasty(url).await;
    let seen = Seen::default();
    queue.worker(QUEUE).unwrap().handle(seen.handler()).start().unwrap();
    send(&queue, 1, Duration::ZERO).await;
    eventually(PATIENCE, async || seen.count() == 1).await;

    proxy.black_hole();
    let sent = timeout(PATIENCE, queue.send(QUEUE, &DelayMessage::new(2u64))).await.expect("an answer by the deadline");
    let error = sent.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Unavailable), "{error:?}");
    assert!(error.is_retryable());
    assert!(timeout(PATIENCE, queue.health()).await.expect("an answer by the deadline").is_err());
    assert!(timeout(PATIENCE, queue.stats(QUEUE)).await.expect("an answer by the deadline").is_err());

    proxy.heal().await;
    let sent = send(&queue, 3, Duration::ZERO).await;
    seen.all(&queue, &[sent]).await;
    queue.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_broker_is_an_error_by_the_deadline() {
    let broker = RabbitMq::start().await;
    let queue = hasty(broker.url()).await;
    queue.health().await.unwrap();
    broker.stop();
    let answer = timeout(PATIENCE, queue.send(QUEUE, &DelayMessage::new(1u64))).await;
    broker.cont();
    let error = answer.expect("an answer by the deadline").unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    let sent = send(&queue, 2, Duration::ZERO).await;
    let seen = Seen::default();
    queue.worker(QUEUE).unwrap().handle(seen.handler()).start().unwrap();
    seen.all(&queue, &[sent]).await;
    queue.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_broker_refuses_by_the_deadline_and_goes_on_delivering() {
    let broker = RabbitMq::start().await;
    let queue = hasty(broker.url()).await;
    let ids = [send(&queue, 1, Duration::from_millis(10)).await, send(&queue, 2, Duration::ZERO).await];
    broker.raise_memory_alarm().await;
    for _ in 0..2 {
        let answer = timeout(PATIENCE, queue.send(QUEUE, &DelayMessage::new(3u64))).await;
        let error = answer.expect("an answer by the deadline").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(error.to_string().contains("alarm"), "{error}");
    }
    // What is there is delivered, and done with, on the other connection.
    let seen = Seen::default();
    queue.worker(QUEUE).unwrap().handle(seen.handler()).start().unwrap();
    eventually(PATIENCE, async || seen.count() >= 2).await;
    broker.clear_memory_alarm().await;
    let sent = send(&queue, 4, Duration::from_millis(20)).await;
    seen.all(&queue, &[ids[0].clone(), ids[1].clone(), sent]).await;
    queue.shutdown(PATIENCE).await;
}
