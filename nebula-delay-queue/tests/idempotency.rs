//! The stores of what took effect keep their contract.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use nebula_delay_queue::{
    DelayMessage, DelayQueue, IdempotencyStore, MemoryDelayQueue, MemoryIdempotency, Received, RedisIdempotency,
    RetryPolicy, idempotency_suite, nebula_redis::RedisConfig,
};
use nebula_test_support::{redis_url, unique};
use tokio::sync::mpsc::unbounded_channel;

mod memory {
    use super::*;

    idempotency_suite!(async { MemoryIdempotency::new() });
}

mod redis {
    use super::*;

    async fn store() -> impl IdempotencyStore {
        let connection = RedisConfig::new(redis_url().await).connect().await.unwrap();
        RedisIdempotency::new(connection).with_key_prefix(&unique("done"))
    }

    idempotency_suite!(store());
}

mod erased {
    use super::*;

    idempotency_suite!(async { Arc::new(MemoryIdempotency::new()) as Arc<dyn IdempotencyStore> });
}

const QUEUE: &str = "order.timeout";

#[tokio::test(start_paused = true)]
async fn a_handler_longer_than_the_mark_keeps_it() {
    let (first, second) = (DelayQueue::new(MemoryDelayQueue::new()), DelayQueue::new(MemoryDelayQueue::new()));
    let (store, running) = (MemoryIdempotency::new(), Arc::new(AtomicUsize::new(0)));
    let (told, mut hears) = unbounded_channel();
    let message = DelayMessage::new(1u64);
    for queue in [&first, &second] {
        let (running, told) = (Arc::clone(&running), told.clone());
        let handler = move |_: Received<u64>| {
            let (running, told) = (Arc::clone(&running), told.clone());
            async move {
                assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0, "two at once");
                tokio::time::sleep(Duration::from_secs(200)).await;
                running.fetch_sub(1, Ordering::SeqCst);
                told.send(()).unwrap();
            }
        };
        queue.worker(QUEUE).unwrap().handle(handler).idempotent(store.clone()).start().unwrap();
        // The same message in two queues of the same name: two copies.
        queue.send(QUEUE, &message).await.unwrap();
    }
    hears.recv().await.unwrap();
    for queue in [&first, &second] {
        while queue.stats(QUEUE).await.unwrap().leased > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        queue.shutdown(Duration::ZERO).await;
    }
    assert!(hears.try_recv().is_err(), "the copy had no effect");
}

#[tokio::test(start_paused = true)]
async fn dead_letters_leave_no_mark() {
    let queue = DelayQueue::new(MemoryDelayQueue::new());
    let (told, mut hears) = unbounded_channel();
    let tries = AtomicUsize::new(0);
    let handler = move |_: Received<u64>| {
        let first = tries.fetch_add(1, Ordering::SeqCst) == 0;
        told.send(first).unwrap();
        async move { if first { Err("no luck") } else { Ok(()) } }
    };
    let worker = queue.worker(QUEUE).unwrap().retry(RetryPolicy::none()).handle(handler);
    worker.idempotent(MemoryIdempotency::new()).start().unwrap();
    let message = DelayMessage::new(1u64);
    queue.send(QUEUE, &message).await.unwrap();
    assert!(hears.recv().await.unwrap());
    while queue.stats(QUEUE).await.unwrap().dead == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let _ = queue.replay(QUEUE, message.id().clone()).await.unwrap();
    assert!(!hears.recv().await.unwrap(), "it is handled again");
}
