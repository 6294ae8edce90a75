//! Redis: many senders at the same time share calls, and each gets its own answer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::{collections::HashSet, time::Duration};

use futures_util::future::join_all;
use nebula_delay_queue::{
    DelayQueueConsumer as _, DelayQueueProducer as _, MessageId, QueueName, RawMessage, RedisDelayQueue, Schedule,
    SendOutcome,
    nebula_redis::{Connection, RedisConfig, redis},
};
use nebula_test_support::{RedisServer, eventually, redis_url, unique};

const LEASE: Duration = Duration::from_secs(600);
const PATIENCE: Duration = Duration::from_secs(60);

async fn backend(url: String) -> RedisDelayQueue<Connection> {
    RedisDelayQueue::new(RedisConfig::new(url).connect().await.unwrap())
}

fn queue() -> QueueName {
    QueueName::new(unique("sends")).unwrap()
}

fn message(id: &str) -> RawMessage {
    RawMessage::new(MessageId::new(id).unwrap(), "body").with_schedule(Schedule::NOW)
}

async fn calls(server: &RedisServer) -> u64 {
    let mut connection = RedisConfig::new(server.url()).connect().await.unwrap();
    let text: String = redis::cmd("INFO").arg("commandstats").query_async(&mut connection).await.unwrap();
    let line = text.lines().find(|line| line.starts_with("cmdstat_evalsha:")).unwrap_or("calls=0,");
    line.split("calls=").nth(1).unwrap().split(',').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn each_sender_learns_what_became_of_its_own_message() {
    let (backend, queue) = (backend(redis_url().await).await, queue());
    // Every id is sent twice.
    let sends = (0..600).map(|number| {
        let (backend, queue) = (&backend, &queue);
        async move { backend.enqueue(queue, message(&(number / 2).to_string())).await.unwrap() }
    });
    let outcomes = join_all(sends).await;
    for (number, pair) in outcomes.chunks(2).enumerate() {
        let id = MessageId::new(number.to_string()).unwrap();
        let expected = [SendOutcome::Accepted(id.clone()), SendOutcome::Duplicate(id)];
        assert!(pair == expected || pair.iter().rev().eq(&expected), "{pair:?}");
    }
    let claimed = backend.claim(&queue, 500, LEASE).await.unwrap();
    let ids: HashSet<_> = claimed.deliveries.iter().map(|delivery| delivery.message.id.clone()).collect();
    assert_eq!((ids.len(), claimed.deliveries.len()), (300, 300));
}

#[tokio::test]
async fn many_senders_need_few_calls() {
    let server = RedisServer::start().await;
    let (backend, queue) = (backend(server.url()).await, queue());
    backend.enqueue(&queue, message("first")).await.unwrap();
    let before = calls(&server).await;
    let sends = (0..200).map(|number| backend.enqueue(&queue, message(&number.to_string())));
    // Polled in one go: four go out, and all others gather behind them.
    let sends = sends.collect::<Vec<_>>();
    join_all(sends).await.into_iter().for_each(|sent| assert!(sent.unwrap().is_accepted()));
    let calls = calls(&server).await - before;
    assert!((5..=20).contains(&calls), "{calls} calls for 200 messages");
}

#[tokio::test]
async fn who_gave_up_while_waiting_for_its_turn_sends_nothing() {
    let server = RedisServer::start().await;
    let (backend, queue) = (backend(server.url()).await, queue());
    let send = |number: usize| {
        let (backend, queue) = (backend.clone(), queue.clone());
        tokio::spawn(async move { backend.enqueue(&queue, message(&number.to_string())).await })
    };
    server.stop();
    // Four alone, then the first of the group, whose call keeps the rest waiting.
    let first: Vec<_> = (0..5).map(send).collect();
    eventually(PATIENCE, async || first.iter().all(|task| !task.is_finished())).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let rest: Vec<_> = (5..20).map(send).collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    for task in rest {
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }
    server.cont();
    for task in first {
        assert!(task.await.unwrap().unwrap().is_accepted());
    }
    // The line is in order again.
    let again = join_all((20..40).map(|number| backend.enqueue(&queue, message(&number.to_string())))).await;
    again.into_iter().for_each(|sent| assert!(sent.unwrap().is_accepted()));
    assert_eq!(backend.stats(&queue).await.unwrap().backlog, 25);
}

#[tokio::test]
async fn what_fails_fails_for_everybody_who_shared_it() {
    let mut server = RedisServer::start().await;
    let (backend, queue) = (backend(server.url()).await.with_timeout(Duration::from_secs(2)), queue());
    server.kill();
    let sends = (0..50).map(|number| backend.enqueue(&queue, message(&number.to_string())));
    for sent in join_all(sends).await {
        let error = sent.unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
    }
    server.restart().await;
    eventually(PATIENCE, async || backend.ping().await.map_err(|error| error.to_string())).await;
    let sends = (0..50).map(|number| backend.enqueue(&queue, message(&number.to_string())));
    join_all(sends).await.into_iter().for_each(|sent| assert!(sent.unwrap().is_accepted()));
}

#[tokio::test]
async fn the_end_of_a_runtime_leaves_nobody_waiting() {
    let server = RedisServer::start().await;
    let (backend, queue) = (backend(server.url()).await, queue());
    server.stop();
    let other = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for number in 0..10 {
        let (backend, queue) = (backend.clone(), queue.clone());
        other.spawn(async move { backend.enqueue(&queue, message(&number.to_string())).await });
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    other.shutdown_background();
    server.cont();
    eventually(PATIENCE, async || {
        let again = join_all((20..40).map(|number| backend.enqueue(&queue, message(&number.to_string())))).await;
        again.into_iter().try_for_each(|sent| sent.map(drop).map_err(|error| error.to_string()))
    })
    .await;
}
