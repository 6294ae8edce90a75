//! What happens to workers: processes that are killed, and processes that a message kills.

use std::time::Duration;

use nebula_delay_queue::DeadReason;
use nebula_test_support::{amqp_url, unique};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{
    PATIENCE, QUEUE,
    killed::{Effects, Job, POISON, connect, killed_workers_lose_nothing},
    send,
};

async fn configuration() -> Value {
    let rabbitmq = json!({ "url": amqp_url().await, "timeout": "60s" });
    json!({ "provider": "rabbitmq", "queue-prefix": unique("kill"), "rabbitmq": rabbitmq })
}

/// More kills than the retry policy has attempts: what was merely waiting beside the handlers must not suffer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_processes_lose_no_message_and_every_effect_comes_once() {
    let test = "worker::killed_processes_lose_no_message_and_every_effect_comes_once";
    killed_workers_lose_nothing(test, (490, 5, 2), configuration).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_kills_its_worker_is_buried_and_its_neighbours_live() {
    if let Some(job) = Job::mine() {
        return job.work().await;
    }
    let effects = Effects::new().await;
    // One at a time: what is leased beside the poison is under the same suspicion.
    let job = Job {
        test: "worker::a_message_that_kills_its_worker_is_buried_and_its_neighbours_live".to_owned(),
        queue: configuration().await,
        effects: effects.url.clone(),
        concurrency: 1,
        retries: 2,
    };
    let queue = connect(&job.queue).await;
    let mut ids = Vec::new();
    send(&queue, POISON, Duration::ZERO).await;
    for number in 0..100 {
        ids.push(send(&queue, number, Duration::ZERO).await);
    }
    let mut deaths = 0;
    let mut worker = job.spawn();
    let by = Instant::now() + PATIENCE;
    while queue.stats(QUEUE).await.unwrap().dead == 0 || !effects.has_all(&ids).await {
        assert!(Instant::now() < by, "after {deaths} deaths: {:?}", queue.stats(QUEUE).await);
        if worker.0.try_wait().unwrap().is_some() {
            deaths += 1;
            worker = job.spawn();
        }
        sleep(Duration::from_millis(20)).await;
    }
    let dead = queue.dead_letters(QUEUE, 0, 10).await.unwrap();
    // A death between passing a message on and acknowledging it leaves a second copy, which ends in the same way.
    for letter in &dead {
        assert_eq!((letter.message.body.as_ref(), &letter.reason), (&b"666"[..], &DeadReason::Abandoned));
    }
    assert!((3..=3 + 2 * dead.len()).contains(&deaths), "three attempts, and the first death proves nothing: {deaths}");
    assert!(queue.purge(QUEUE, None).await.unwrap() >= 1);
    assert!(effects.counts().await.values().all(|count| *count == 1), "{:?}", effects.counts().await);
}
