//! A ledger beside the broker: what is cancelled, moved and sent twice, and what happens when either of them fails.

use std::{sync::Arc, time::Duration};

use nebula_delay_queue::{
    Cancel, DelayMessage, DelayQueue, MemoryLedger, MessageLedger, RedisLedger, Reschedule, Schedule, SendOutcome,
    nebula_redis::RedisConfig,
};
use nebula_test_support::{RabbitMq, RedisServer, TcpProxy, amqp_url, eventually, unique};
use tokio::time::{sleep, timeout};

use super::{PATIENCE, QUEUE, Seen, broker::proxied, idle, options, send};

async fn indexed(url: String, prefix: &str, ledger: impl MessageLedger) -> DelayQueue {
    let prefix = prefix.try_into().unwrap();
    DelayQueue::new(options(url).queue_prefix(prefix).connect().await.unwrap().with_ledger(ledger))
}

fn message(id: &str, delay: Duration) -> DelayMessage<u64> {
    DelayMessage::builder().id(id).body(1).delay(delay).build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_cancelled_or_moved_comes_once_or_never_though_its_copies_do() {
    let (url, prefix) = (amqp_url().await, unique("t"));
    let ledger: Arc<dyn MessageLedger> = Arc::new(MemoryLedger::new());
    let sender = indexed(url.clone(), &prefix, Arc::clone(&ledger)).await;
    let worker = indexed(url, &prefix, ledger).await;
    let second = Duration::from_secs(1);
    let later = ["cancelled", "moved", "stays"].map(|id| message(id, second * 3));
    sender.send_batch(QUEUE, &later).await.unwrap();
    sender.send(QUEUE, &message("postponed", second)).await.unwrap();
    let seen = Seen::default();
    worker.worker(QUEUE).unwrap().handle(seen.handler()).start().unwrap();
    assert_eq!(worker.cancel(QUEUE, "cancelled").await.unwrap(), Cancel::Cancelled);
    for _ in 0..3 {
        // Each of these leaves one more copy in the ladder.
        let soon = Schedule::After(Duration::from_millis(500));
        assert_eq!(sender.reschedule(QUEUE, "moved", soon).await.unwrap(), Reschedule::Rescheduled);
        let moved = sender.reschedule(QUEUE, "moved", Schedule::After(second * 2)).await.unwrap();
        assert_eq!(moved, Reschedule::Rescheduled);
    }
    let moved = sender.reschedule(QUEUE, "moved", Schedule::NOW).await.unwrap();
    assert_eq!(moved, Reschedule::Rescheduled);
    let moved = sender.reschedule(QUEUE, "postponed", Schedule::After(second * 4)).await.unwrap();
    assert_eq!(moved, Reschedule::Rescheduled);
    let stats = worker.stats(QUEUE).await.unwrap();
    assert!(stats.delayed <= 2, "the cancelled and the moved do not count: {stats:?}");
    let ids = ["moved", "stays", "postponed"].map(|id| id.try_into().unwrap());
    seen.all(&worker, &ids).await;
    idle(&worker).await;
    // All copies have come by now: "stays" was the last of them to be due, but for the one that was waited for.
    sleep(second).await;
    assert_eq!(seen.counts(), [("moved", 1), ("postponed", 1), ("stays", 1)].map(|(id, n)| (id.to_owned(), n)).into());
    worker.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_whose_message_may_not_have_arrived_is_free_to_be_sent_again() {
    let (proxy, url) = proxied().await;
    let (prefix, ledger): (_, Arc<dyn MessageLedger>) = (unique("t"), Arc::new(MemoryLedger::new()));
    let direct = indexed(amqp_url().await, &prefix, Arc::clone(&ledger)).await;
    direct.send(QUEUE, &message("first", Duration::ZERO)).await.unwrap();
    let hasty = options(url).timeout(Duration::from_secs(3)).queue_prefix(prefix.as_str().try_into().unwrap());
    let cut = DelayQueue::new(hasty.connect().await.unwrap().with_ledger(ledger));
    // One that did not arrive, and one that did, of which the sender did not hear.
    proxy.black_hole();
    let lost = message("lost", Duration::ZERO);
    let error = timeout(PATIENCE, cut.send(QUEUE, &lost)).await.expect("an answer by the deadline").unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    proxy.heal().await;
    eventually(PATIENCE, async || cut.health().await.map_err(|error| error.to_string())).await;
    proxy.black_hole_replies();
    let unheard = message("unheard", Duration::ZERO);
    let error = timeout(PATIENCE, cut.send(QUEUE, &unheard)).await.expect("an answer by the deadline").unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    proxy.heal().await;
    for message in [&lost, &unheard] {
        let again = eventually(PATIENCE, async || cut.send(QUEUE, message).await.map_err(|error| error.to_string()));
        assert_eq!(again.await, SendOutcome::Accepted(message.id().clone()));
        assert_eq!(direct.send(QUEUE, message).await.unwrap(), SendOutcome::Duplicate(message.id().clone()));
    }
    let seen = Seen::default();
    direct.worker(QUEUE).unwrap().handle(seen.handler()).start().unwrap();
    seen.all(&direct, &["first", "lost", "unheard"].map(|id| id.try_into().unwrap())).await;
    idle(&direct).await;
    sleep(Duration::from_millis(500)).await;
    assert_eq!(seen.counts(), [("first", 1), ("lost", 1), ("unheard", 1)].map(|(id, n)| (id.to_owned(), n)).into());
    direct.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_lost_everything_loses_no_message() {
    const COUNT: u64 = 50;
    let (url, prefix) = (amqp_url().await, unique("t"));
    let before = indexed(url.clone(), &prefix, MemoryLedger::new()).await;
    let mut ids = Vec::new();
    for number in 0..COUNT {
        ids.push(send(&before, number, Duration::from_millis(number * 20)).await);
    }
    // The process died, and its memory with it.
    drop(before);
    let after = indexed(url, &prefix, MemoryLedger::new()).await;
    let seen = Seen::default();
    after.worker(QUEUE).unwrap().handle(seen.handler()).start().unwrap();
    seen.all(&after, &ids).await;
    idle(&after).await;
    after.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_nor_handled_twice_at_once_though_broker_and_ledger_fail() {
    const COUNT: u64 = 200;
    let mut broker = RabbitMq::start().await;
    let server = RedisServer::options().append_only().start().await;
    let proxy = TcpProxy::to_port(server.port()).await;
    let config = RedisConfig::new(server.url_via(proxy.port()))
        .with_response_timeout(Duration::from_millis(500))
        .with_reconnect(Duration::from_millis(20), Duration::from_millis(200));
    let ledger = RedisLedger::new(config.connect().await.unwrap()).with_timeout(Duration::from_secs(2));
    let queue = indexed(broker.url(), &unique("t"), ledger).await;
    let seen = Seen::default();
    queue.worker(QUEUE).unwrap().handle(seen.handler()).start().unwrap();
    let mut ids = Vec::new();
    for number in 0..COUNT {
        match number {
            60 => proxy.black_hole_replies(),
            61 => proxy.heal().await,
            120 => {
                broker.kill();
                sleep(Duration::from_millis(300)).await;
                broker.restart().await;
            }
            _ => {}
        }
        if number == 60 {
            let error = timeout(PATIENCE, queue.send(QUEUE, &DelayMessage::new(1u64))).await.expect("an answer");
            assert!(error.unwrap_err().is_retryable());
            proxy.heal().await;
        }
        ids.push(send(&queue, number, Duration::from_millis(number * 37 % 3000)).await);
        if number % 10 == 0 {
            let cancelled = message(&format!("never:{number}"), Duration::from_secs(2));
            eventually(PATIENCE, async || queue.send(QUEUE, &cancelled).await.map_err(|error| error.to_string())).await;
            let cancel = async || queue.cancel(QUEUE, cancelled.id()).await.map_err(|error| error.to_string());
            // A lost answer makes the second try find nothing.
            let _ = eventually(PATIENCE, cancel).await;
        }
    }
    seen.all(&queue, &ids).await;
    idle(&queue).await;
    assert!(seen.counts().keys().all(|id| !id.starts_with("never")), "{:?}", seen.counts());
    queue.shutdown(PATIENCE).await;
}
