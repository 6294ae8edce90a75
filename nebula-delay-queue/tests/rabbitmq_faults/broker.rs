//! What happens to the broker and to the way there.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use nebula_delay_queue::{DelayMessage, DelayQueue, ErrorKind, MessageId};
use nebula_test_support::{RabbitMq, TcpProxy, amqp_url, eventually};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{PATIENCE, QUEUE, Seen, connect, hasty, send};

/// Sends many messages, all delays from none to three steps of the ladder.
fn sender(queue: &DelayQueue, count: u64) -> (Arc<AtomicU64>, JoinHandle<Vec<MessageId>>) {
    let (queue, confirmed) = (queue.clone(), Arc::new(AtomicU64::new(0)));
    let progress = Arc::clone(&confirmed);
    let task = tokio::spawn(async move {
        let mut ids = Vec::new();
        for number in 0..count {
            ids.push(send(&queue, number, Duration::from_millis(number * 37 % 5000)).await);
            progress.store(number + 1, Ordering::SeqCst);
            sleep(Duration::from_millis(2)).await;
        }
        ids
    });
    (confirmed, task)
}

/// A way to the shared broker that can be cut.
pub(super) async fn proxied() -> (TcpProxy, String) {
    let url = amqp_url().await;
    let (start, rest) = url.split_once('@').unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let proxy = TcpProxy::to(host.parse().unwrap()).await.unwrap();
    let there = format!("{start}@127.0.0.1:{}/{path}", proxy.port());
    (proxy, there)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_confirmed_message_survives_the_death_of_the_broker() {
    const COUNT: u64 = 600;
    let mut broker = RabbitMq::start().await;
    let queue = connect(broker.url()).await;
    let seen = Seen::default();
    queue.worker(QUEUE).unwrap().handle(seen.handler()).start().unwrap();
    let (confirmed, sending) = sender(&queue, COUNT);
    for deaths in 1..=2 {
        eventually(PATIENCE, async || confirmed.load(Ordering::SeqCst) > COUNT / 4 * deaths).await;
        broker.kill();
        sleep(Duration::from_millis(300)).await;
        broker.restart().await;
    }
    let ids = timeout(PATIENCE, sending).await.unwrap().unwrap();
    seen.all(&queue, &ids).await;
    queue.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_and_half_open_connections_lose_nothing() {
    const COUNT: u64 = 600;
    let (proxy, url) = proxied().await;
    let queue = hasty(url).await;
    let seen = Seen::default();
    queue.worker(QUEUE).unwrap().handle(seen.handler()).start().unwrap();
    let (confirmed, sending) = sender(&queue, COUNT);
    let part =
        async |share: u64| eventually(PATIENCE, async || confirmed.load(Ordering::SeqCst) > COUNT / 8 * share).await;
    part(1).await;
    proxy.reset_connections().await;
    part(2).await;
    proxy.black_hole_replies();
    sleep(Duration::from_secs(1)).await;
    proxy.heal().await;
    part(3).await;
    proxy.black_hole();
    sleep(Duration::from_secs(4)).await;
    proxy.heal().await;
    part(4).await;
    proxy.cut().await;
    sleep(Duration::from_millis(500)).await;
    proxy.heal().await;
    let ids = timeout(PATIENCE, sending).await.unwrap().unwrap();
    seen.all(&queue, &ids).await;
    queue.shutdown(PATIENCE).await;
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
