//! Redis: killed servers, dead links, dead workers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

#[path = "common/effects.rs"]
mod effects;
#[path = "common/killed.rs"]
mod killed;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use nebula_delay_queue::{
    DeadReason, DelayMessage, DelayQueue, DelayQueueConsumer, ErrorKind, MessageId, Received, RedisDelayQueue,
    SendOutcome,
    nebula_redis::{Connection, RedisConfig, redis},
};
use nebula_test_support::{RedisServer, TcpProxy, eventually, redis_url, unique};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use self::{
    effects::{PATIENCE, QUEUE, Run, idle},
    killed::{killed_workers_lose_nothing, poison_is_buried_and_its_neighbours_live},
};

async fn backend(url: String) -> RedisDelayQueue<Connection> {
    let config = RedisConfig::new(url)
        .with_response_timeout(Duration::from_millis(500))
        .with_reconnect(Duration::from_millis(20), Duration::from_millis(200));
    let (connection, subscriber) = (config.connect().await.unwrap(), config.subscriber().unwrap());
    RedisDelayQueue::new(connection).with_subscriber(subscriber)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_confirmed_message_survives_the_death_of_the_server_and_takes_effect_once() {
    let mut server = RedisServer::options().append_only().start().await;
    let queue = DelayQueue::new(backend(server.url()).await);
    let run = Run::start(queue, 400, Duration::from_millis(200), Duration::from_secs(1));
    run.deaths(async || {
        server.kill();
        sleep(Duration::from_millis(300)).await;
        server.restart().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_and_half_open_connections_lose_nothing() {
    let server = RedisServer::start().await;
    let proxy = TcpProxy::to_port(server.port()).await;
    let queue = DelayQueue::new(backend(server.url_via(proxy.port())).await.with_timeout(Duration::from_secs(2)));
    let run = Run::start(queue, 400, Duration::from_millis(200), Duration::from_secs(1));
    run.cuts(&proxy, Duration::from_secs(1)).await;
}

async fn configuration() -> Value {
    json!({ "provider": "redis", "redis": { "url": redis_url().await, "key-prefix": unique("killed") } })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_processes_lose_no_message_and_every_effect_comes_once() {
    let test = "killed_processes_lose_no_message_and_every_effect_comes_once";
    killed_workers_lose_nothing(test, (240, 3, 20), configuration).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_kills_its_worker_is_buried_and_its_neighbours_live() {
    let test = "a_message_that_kills_its_worker_is_buried_and_its_neighbours_live";
    let died = poison_is_buried_and_its_neighbours_live(test, configuration).await;
    // An attempt whose lease ended before it began has killed nobody.
    assert!(died.is_none_or(|(deaths, dead)| (1..=3).contains(&deaths) && dead == 1), "three attempts: {died:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_link_is_an_error_by_the_deadline() {
    let server = RedisServer::start().await;
    let proxy = TcpProxy::to_port(server.port()).await;
    let queue = DelayQueue::new(backend(server.url_via(proxy.port())).await.with_timeout(Duration::from_secs(2)));
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |number: Received<u64>| {
        told.send(number.into_body()).unwrap();
        async {}
    };
    queue.worker(QUEUE).unwrap().handle(handler).start().unwrap();
    queue.send(QUEUE, &DelayMessage::new(1u64)).await.unwrap();
    assert_eq!(hears.recv().await, Some(1));

    proxy.black_hole();
    let lost = DelayMessage::new(2u64);
    let sent = timeout(PATIENCE, queue.send(QUEUE, &lost)).await.expect("an answer by the deadline");
    let error = sent.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Unavailable), "{error:?}");
    assert!(error.is_retryable());
    assert!(timeout(PATIENCE, queue.health()).await.expect("an answer by the deadline").is_err());

    proxy.heal().await;
    eventually(PATIENCE, async || queue.send(QUEUE, &lost).await.map_err(|error| format!("{error:?}"))).await;
    assert_eq!(hears.recv().await, Some(2), "the worker is back as well");
    queue.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_does_not_make_a_second_message() {
    let server = RedisServer::start().await;
    let proxy = TcpProxy::to_port(server.port()).await;
    let through = DelayQueue::new(backend(server.url_via(proxy.port())).await);
    let direct = DelayQueue::new(backend(server.url()).await);
    through.health().await.unwrap();
    let message = DelayMessage::new(1u64);
    // Teaches the server the script, so that the message is stored by the one request whose answer gets lost.
    direct.send("other", &message).await.unwrap();

    proxy.black_hole_replies();
    let error = through.send(QUEUE, &message).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    eventually(PATIENCE, async || direct.stats(QUEUE).await.unwrap().backlog == 1).await;
    proxy.heal().await;
    let again =
        eventually(PATIENCE, async || through.send(QUEUE, &message).await.map_err(|error| format!("{error:?}"))).await;
    assert_eq!(again, SendOutcome::Duplicate(message.id().clone()));
    assert_eq!(direct.stats(QUEUE).await.unwrap().backlog, 1);
}

#[test]
fn a_killed_worker_gives_its_messages_to_another_after_the_lease() {
    let home = tokio::runtime::Runtime::new().unwrap();
    let (server, queue) = home.block_on(async {
        let server = RedisServer::start().await;
        let queue = DelayQueue::new(backend(server.url()).await);
        (server, queue)
    });
    let doomed = tokio::runtime::Runtime::new().unwrap();
    let lease = Duration::from_secs(2);
    let (begun, begins) = std::sync::mpsc::channel();
    doomed.block_on(async {
        let queue = DelayQueue::new(backend(server.url()).await);
        let handler = move |_: Received<u64>| {
            begun.send(Instant::now()).unwrap();
            std::future::pending::<()>()
        };
        queue.worker(QUEUE).unwrap().concurrency(1).lease(lease).handle(handler).start().unwrap();
    });
    home.block_on(async { queue.send(QUEUE, &DelayMessage::new(7u64)).await.unwrap() });
    begins.recv_timeout(PATIENCE).unwrap();
    // Neither drained nor told: as if the process had been killed.
    doomed.shutdown_background();
    home.block_on(async {
        let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
        let handler = move |number: Received<u64>| {
            told.send((number.attempt(), number.into_body())).unwrap();
            async {}
        };
        queue.worker(QUEUE).unwrap().handle(handler).start().unwrap();
        assert_eq!(timeout(PATIENCE, hears.recv()).await.unwrap(), Some((2, 7)));
        queue.shutdown(PATIENCE).await;
        idle(&queue).await;
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_never_hold_the_same_lease() {
    let server = RedisServer::start().await;
    let proxy = TcpProxy::to_port(server.port()).await;
    let cut_off = DelayQueue::new(backend(server.url_via(proxy.port())).await);
    let connected = DelayQueue::new(backend(server.url()).await);

    /// When a handler ran; the end is written when its future is dropped, for whatever reason.
    struct Running(MessageId, Instant, Arc<Mutex<Vec<(MessageId, Instant, Instant)>>>);
    impl Drop for Running {
        fn drop(&mut self) {
            self.2.lock().push((self.0.clone(), self.1, Instant::now()));
        }
    }
    let spans = Arc::new(Mutex::new(Vec::new()));
    let begun = Arc::new(AtomicUsize::new(0));
    let start = |queue: &DelayQueue, duration: Duration| {
        let (spans, begun) = (Arc::clone(&spans), Arc::clone(&begun));
        let handler = move |message: Received<u64>| {
            let running = Running(message.id().clone(), Instant::now(), Arc::clone(&spans));
            begun.fetch_add(1, Ordering::SeqCst);
            async move {
                sleep(duration).await;
                drop(running);
            }
        };
        let lease = Duration::from_secs(1);
        queue.worker(QUEUE).unwrap().concurrency(8).prefetch(0).lease(lease).handle(handler).start().unwrap();
    };
    start(&cut_off, Duration::from_secs(3600));
    let messages: Vec<_> = (0..8u64).map(DelayMessage::new).collect();
    connected.send_batch(QUEUE, &messages).await.unwrap();
    eventually(PATIENCE, async || begun.load(Ordering::SeqCst) == 8).await;
    // From here on the first worker cannot extend its leases. It must let go before the server gives them away.
    proxy.black_hole();
    start(&connected, Duration::from_millis(10));
    idle(&connected).await;
    proxy.heal().await;
    let left = connected.shutdown(PATIENCE).await;
    assert_eq!(left.unsettled, 0);
    cut_off.shutdown(Duration::ZERO).await;

    let spans = spans.lock();
    let mut handled = 0;
    for message in &messages {
        let mut runs: Vec<_> = spans.iter().filter(|(id, ..)| id == message.id()).collect();
        runs.sort_by_key(|(_, began, _)| *began);
        handled += runs.len();
        for pair in runs.windows(2) {
            assert!(pair[0].2 <= pair[1].1, "two handlers at once: {pair:?}");
        }
    }
    assert!(handled >= 16, "each message was begun by one worker and finished by the other: {handled}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_messages_do_not_block_the_others() {
    let server = RedisServer::start().await;
    let backend = backend(server.url()).await;
    let queue = DelayQueue::new(backend.clone());
    for id in ["damaged", "lost", "good"] {
        queue.send(QUEUE, &DelayMessage::builder().id(id).body(1u64).build().unwrap()).await.unwrap();
    }
    let mut raw = RedisConfig::new(server.url()).connect().await.unwrap();
    let key = "nebula-delay:1:{order.timeout}:msg";
    let () = redis::cmd("HSET").arg(key).arg("damaged").arg("junk").query_async(&mut raw).await.unwrap();
    let () = redis::cmd("HDEL").arg(key).arg("lost").query_async(&mut raw).await.unwrap();
    let name = queue.name(QUEUE).unwrap();
    let claimed = backend.claim(&name, 10, PATIENCE).await.unwrap();
    assert_eq!(claimed.deliveries.len(), 1);
    assert_eq!(claimed.deliveries[0].message.id.as_str(), "good");
    let dead = queue.dead_letters(QUEUE, 0, 10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].message.id.as_str(), &dead[0].reason), ("damaged", &DeadReason::Undecodable));
    assert_eq!(&dead[0].message.body[..], b"junk", "what is there can be looked at");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_keys_share_the_queues_hash_tag_and_end_with_it() {
    let server = RedisServer::start().await;
    let queue = DelayQueue::new(backend(server.url()).await);
    let failing = |_: Received<u64>| async { Err::<(), _>("no luck") };
    let worker = queue.worker(QUEUE).unwrap().retry(nebula_delay_queue::RetryPolicy::fixed(1, Duration::ZERO));
    let worker = worker.handle(failing).start().unwrap();
    queue.send(QUEUE, &DelayMessage::new(1u64)).await.unwrap();
    eventually(PATIENCE, async || queue.stats(QUEUE).await.unwrap().dead == 1).await;
    worker.shutdown(PATIENCE).await;
    let mut raw = RedisConfig::new(server.url()).connect().await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut raw).await.unwrap();
    assert!(!keys.is_empty());
    assert!(keys.iter().all(|key| key.starts_with("nebula-delay:1:{order.timeout}:")), "{keys:?}");
    assert_eq!(queue.purge(QUEUE, None).await.unwrap(), 1);
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut raw).await.unwrap();
    assert!(keys.is_empty(), "an empty queue leaves nothing behind: {keys:?}");
}
