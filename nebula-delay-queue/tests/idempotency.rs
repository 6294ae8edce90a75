//! The stores of what took effect keep their contract.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use nebula_delay_queue::{
    Begin, DelayMessage, DelayQueue, ErrorKind, IdempotencyStore, LeaseToken, MemoryDelayQueue, MemoryIdempotency,
    Received, RedisIdempotency, RetryPolicy, SqlDatabase, SqlIdempotency, idempotency_suite,
    nebula_redis::RedisConfig,
    sqlx::{Executor, MySql, Postgres},
};
use nebula_test_support::{eventually, mariadb_database, postgres_database, redis_url, unique};
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

mod sqlite {
    use super::*;

    async fn store() -> impl IdempotencyStore {
        let folder = tempfile::tempdir().unwrap().keep();
        let pool = common::pool(&folder.join("marks.db")).await;
        SqlIdempotency::migrate(&pool).await.unwrap();
        SqlIdempotency::new(pool)
    }

    idempotency_suite!(store());
}

async fn marks<DB: SqlDatabase>(url: &str) -> SqlIdempotency<DB> {
    let pool = common::connect(url).await;
    SqlIdempotency::migrate(&pool).await.unwrap();
    SqlIdempotency::new(pool)
}

mod postgres {
    use super::*;

    idempotency_suite!(async { marks::<Postgres>(&postgres_database().await).await });
}

mod mariadb {
    use super::*;

    idempotency_suite!(async { marks::<MySql>(&mariadb_database().await).await });
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

/// The effect is a row; it dies once before its transaction commits, and once after.
async fn effect_and_mark_are_one<DB>(url: String)
where
    DB: SqlDatabase,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let (pool, store) = (common::connect::<DB>(&url).await, marks::<DB>(&url).await);
    let sql = |text: &str| nebula_delay_queue::sqlx::AssertSqlSafe(text.to_owned());
    pool.acquire().await.unwrap().execute(sql("CREATE TABLE effect (number BIGINT)")).await.unwrap();
    for with_begin in [true, false] {
        let queue = DelayQueue::new(MemoryDelayQueue::new());
        let (calls, firsts) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let handler = {
            let (pool, store, calls, firsts) = (pool.clone(), store.clone(), Arc::clone(&calls), Arc::clone(&firsts));
            move |message: Received<u64>| {
                let (pool, store) = (pool.clone(), store.clone());
                let (calls, firsts) = (Arc::clone(&calls), Arc::clone(&firsts));
                async move {
                    calls.fetch_add(1, Ordering::SeqCst);
                    let mut tx = pool.begin().await.unwrap();
                    if !store.finish_in(&mut tx, message.queue(), message.id()).await.unwrap() {
                        return Ok(());
                    }
                    firsts.fetch_add(1, Ordering::SeqCst);
                    tx.execute(sql("INSERT INTO effect (number) VALUES (1)")).await.unwrap();
                    assert!(message.attempt() > 1, "dies before the commit");
                    tx.commit().await.unwrap();
                    Err("dies after the commit")
                }
            }
        };
        let worker = queue.worker(QUEUE).unwrap().retry(RetryPolicy::fixed(5, Duration::ZERO)).handle(handler);
        match with_begin {
            true => drop(worker.idempotent(store.clone()).start().unwrap()),
            false => drop(worker.start().unwrap()),
        }
        queue.send(QUEUE, &DelayMessage::new(1u64)).await.unwrap();
        eventually(Duration::from_secs(60), async || {
            let stats = queue.stats(QUEUE).await.unwrap();
            if stats.backlog + stats.delayed + stats.leased == 0 { Ok(()) } else { Err(format!("{stats:?}")) }
        })
        .await;
        queue.shutdown(Duration::from_secs(30)).await;
        assert_eq!(queue.stats(QUEUE).await.unwrap().dead, 0);
        let expected = if with_begin { 2 } else { 3 };
        assert_eq!((calls.load(Ordering::SeqCst), firsts.load(Ordering::SeqCst)), (expected, 2));
    }
    let rows = pool.acquire().await.unwrap().fetch_all(sql("SELECT number FROM effect")).await.unwrap();
    assert_eq!(rows.len(), 2, "one of each message");
}

/// Of transactions that mark the same message at once, one commits the effect.
async fn one_of_many_transactions_has_the_effect<DB: SqlDatabase>(url: String) {
    let store = marks::<DB>(&url).await;
    let pool = common::connect::<DB>(&url).await;
    let tries = (0..4).map(|_| {
        let (pool, store) = (pool.clone(), store.clone());
        tokio::spawn(async move {
            let mut tx = pool.begin().await.unwrap();
            let mine = match store.finish_in(&mut tx, &QUEUE.try_into().unwrap(), &"a".try_into().unwrap()).await {
                Ok(mine) => mine,
                // MariaDB ends one of two that wait for each other; its handler is called again.
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Busy, "{error:?}");
                    return false;
                }
            };
            tokio::time::sleep(Duration::from_millis(20)).await;
            tx.commit().await.unwrap();
            mine
        })
    });
    let mut effects = 0;
    for mine in tries.collect::<Vec<_>>() {
        effects += usize::from(mine.await.unwrap());
    }
    assert_eq!(effects, 1);
}

async fn old_marks_are_swept_and_no_others<DB: SqlDatabase>(url: String) {
    let store = marks::<DB>(&url).await;
    let (queue, token) = (QUEUE.try_into().unwrap(), LeaseToken::random());
    let id = |number: usize| number.to_string().as_str().try_into().unwrap();
    for number in 0..6 {
        let keep = Duration::from_millis(if number < 4 { 1 } else { 600_000 });
        assert_eq!(store.begin(&queue, &id(number), token, keep).await.unwrap(), Begin::Fresh);
        if number % 2 == 0 {
            assert!(store.complete(&queue, &id(number), token, keep).await.unwrap());
        }
    }
    let swept = AtomicUsize::new(0);
    // The first completion has swept as well.
    eventually(Duration::from_secs(60), async || {
        swept.fetch_add(usize::try_from(store.sweep().await.unwrap()).unwrap(), Ordering::SeqCst);
        let swept = swept.load(Ordering::SeqCst);
        if swept >= 3 { Ok(()) } else { Err(format!("{swept} are swept")) }
    })
    .await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    store.sweep().await.unwrap();
    for number in 0..6 {
        let begin = store.begin(&queue, &id(number), LeaseToken::random(), Duration::from_millis(1)).await.unwrap();
        match number {
            4 => assert_eq!(begin, Begin::Done),
            5 => assert!(matches!(begin, Begin::Busy(_))),
            _ => assert_eq!(begin, Begin::Fresh),
        }
    }
}

macro_rules! on_servers {
    ($($name:ident),+ $(,)?) => {
        mod on_postgres {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name::<Postgres>(postgres_database().await).await;
            })+
        }

        mod on_mariadb {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name::<MySql>(mariadb_database().await).await;
            })+
        }
    };
}

on_servers!(effect_and_mark_are_one, one_of_many_transactions_has_the_effect, old_marks_are_swept_and_no_others,);
