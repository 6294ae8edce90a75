//! What happens to workers: processes that are killed, and processes that a message kills.

use nebula_test_support::{amqp_url, unique};
use serde_json::{Value, json};

use super::killed::{killed_workers_lose_nothing, poison_is_buried_and_its_neighbours_live};

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
    let test = "worker::a_message_that_kills_its_worker_is_buried_and_its_neighbours_live";
    if let Some((deaths, dead)) = poison_is_buried_and_its_neighbours_live(test, configuration).await {
        // A death between passing a message on and acknowledging it leaves a second copy, which ends in the same way.
        assert!((3..=3 + 2 * dead).contains(&deaths), "three attempts, and the first death proves nothing: {deaths}");
    }
}
