//! What happens to workers: processes that are killed, and processes that a message kills.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, Command, Stdio},
    time::Duration,
};

use nebula_delay_queue::{DeadReason, DelayMessage, Received, RetryPolicy};
use nebula_test_support::{AMQP_URL_VARIABLE, amqp_url, eventually, unique};
use tokio::time::{Instant, sleep};

use super::{PATIENCE, QUEUE, Seen, connect_as, send};

const PREFIX: &str = "NEBULA_TEST_WORKER_PREFIX";
const CONCURRENCY: &str = "NEBULA_TEST_WORKER_CONCURRENCY";
const SELF: &str = "worker::a_killed_process_loses_no_message";
const POISON: u64 = 666;

/// This very program, being a worker; what it handles is noted.
async fn spawn(prefix: &str, concurrency: usize, seen: &Seen) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([SELF, "--exact", "--nocapture"])
        .env(AMQP_URL_VARIABLE, amqp_url().await)
        .env(PREFIX, prefix)
        .env(CONCURRENCY, concurrency.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (output, seen) = (child.stdout.take().unwrap(), seen.clone());
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some(id) = line.strip_prefix("handled ") {
                seen.note(&id.try_into().unwrap());
            }
        }
    });
    child
}

async fn be_a_worker(prefix: String) {
    let concurrency: usize = std::env::var(CONCURRENCY).unwrap().parse().unwrap();
    let queue = connect_as(amqp_url().await, &prefix).await;
    let handler = |message: Received<u64>| async move {
        if *message.body() == POISON {
            std::process::abort();
        }
        sleep(Duration::from_millis(3)).await;
        let mut output = std::io::stdout().lock();
        writeln!(output, "handled {}", message.id()).and_then(|()| output.flush())
    };
    let worker = queue.worker(QUEUE).unwrap().concurrency(concurrency).prefetch(concurrency - 1);
    worker.retry(RetryPolicy::fixed(2, Duration::ZERO)).handle(handler).start().unwrap();
    sleep(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_no_message() {
    const COUNT: u64 = 600;
    if let Ok(prefix) = std::env::var(PREFIX) {
        return be_a_worker(prefix).await;
    }
    let prefix = unique("kill");
    let queue = connect_as(amqp_url().await, &prefix).await;
    let messages: Vec<_> = (0..COUNT)
        .map(|number| DelayMessage::builder().body(number).delay(Duration::from_millis(number % 700)).build().unwrap())
        .collect();
    let ids: Vec<_> = messages.iter().map(|message| message.id().clone()).collect();
    queue.send_batch(QUEUE, &messages).await.unwrap();
    let seen = Seen::default();
    // More kills than the retry policy has attempts: what was merely waiting beside the handlers must not suffer.
    for round in 1..=5 {
        let mut child = spawn(&prefix, 4, &seen).await;
        eventually(PATIENCE, async || seen.count() >= 80 * round).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let mut last = spawn(&prefix, 4, &seen).await;
    seen.all(&queue, &ids).await;
    last.kill().unwrap();
    last.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_kills_its_worker_is_buried_and_its_neighbours_live() {
    let prefix = unique("poison");
    let queue = connect_as(amqp_url().await, &prefix).await;
    let (seen, mut ids) = (Seen::default(), Vec::new());
    send(&queue, POISON, Duration::ZERO).await;
    for number in 0..100 {
        ids.push(send(&queue, number, Duration::ZERO).await);
    }
    let mut deaths = 0;
    // One at a time: what is leased beside the poison is under the same suspicion.
    let mut child = spawn(&prefix, 1, &seen).await;
    let by = Instant::now() + PATIENCE;
    while queue.stats(QUEUE).await.unwrap().dead == 0 || !seen.has_all(&ids) {
        assert!(Instant::now() < by, "after {deaths} deaths: {:?}", queue.stats(QUEUE).await);
        if child.try_wait().unwrap().is_some() {
            deaths += 1;
            child = spawn(&prefix, 1, &seen).await;
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
    child.kill().unwrap();
    child.wait().unwrap();
}
