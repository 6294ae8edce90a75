//! The conformance suite on a real RabbitMQ broker.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::{sync::Arc, time::Duration};

use nebula_delay_queue::{
    Capabilities, DelayQueueBackend, DelayQueueConsumer, DelayQueueProducer, MessageLedger, Priority, QueueName,
    RabbitDelayQueue, RabbitOptions, RawMessage, RedisLedger, SqlLedger, conformance_suite,
    nebula_redis::{Connection, RedisConfig},
    sqlx::Postgres,
    testing::{Fixture, WrongClock},
};
use nebula_test_support::{amqp_url, postgres_database, redis_url, unique};

/// All tests share one ladder, and keep apart by the names of their queues.
async fn rabbit() -> RabbitDelayQueue {
    options().await.connect().await.unwrap()
}

async fn options() -> RabbitOptions {
    let prefix = QueueName::new(unique("t")).unwrap();
    // The broker is slow in declaring queues when all tests want theirs at once.
    RabbitDelayQueue::options(amqp_url().await).timeout(Duration::from_secs(60)).queue_prefix(prefix)
}

#[derive(Debug)]
struct RabbitMq(RabbitDelayQueue);

impl Fixture for RabbitMq {
    type Backend = RabbitDelayQueue;

    async fn start() -> Self {
        Self(rabbit().await)
    }

    fn backend(&self) -> RabbitDelayQueue {
        self.0.clone()
    }

    async fn with_wrong_clock(&self, clock: WrongClock) -> RabbitDelayQueue {
        options().await.clock(clock).connect().await.unwrap()
    }
}

conformance_suite!(RabbitMq);

/// Priorities are strict among what the broker has pushed to this process, whatever was pushed before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_urgent_overtake_what_waits_in_this_process() {
    let backend = rabbit().await;
    let name = QueueName::new("urgent").unwrap();
    let send = async |ids: std::ops::Range<u32>, priority| {
        let message = |id: u32| RawMessage::new(id.to_string().try_into().unwrap(), "1").with_priority(priority);
        backend.enqueue_batch(&name, ids.map(message).collect()).await.unwrap();
    };
    let claim = async |max| {
        let claimed = backend.claim(&name, max, Duration::from_secs(600)).await.unwrap();
        claimed.deliveries.iter().map(|delivery| delivery.message.priority).collect::<Vec<_>>()
    };
    send(0..40, Priority::Low).await;
    // The broker pushes more than are asked for.
    assert_eq!(claim(10).await, [Priority::Low; 10]);
    send(40..45, Priority::High).await;
    send(45..50, Priority::Normal).await;
    // Whoever asks for more than waits here hears what the broker has confirmed before.
    let expected = [vec![Priority::High; 5], vec![Priority::Normal; 5], vec![Priority::Low; 30]].concat();
    assert_eq!(claim(100).await, expected);
}

/// With a ledger, nothing is left out; behind an `Arc<dyn …>`.
mod with_a_ledger {
    use super::*;

    async fn indexed(ledger: impl MessageLedger) -> Arc<dyn DelayQueueBackend> {
        let queue = rabbit().await.with_ledger(ledger);
        assert_eq!(queue.capabilities(), Capabilities::FULL);
        Arc::new(queue)
    }

    async fn wrong(clock: WrongClock, ledger: impl MessageLedger) -> Arc<dyn DelayQueueBackend> {
        Arc::new(options().await.clock(clock).connect().await.unwrap().with_ledger(ledger))
    }

    mod on_redis {
        use super::*;

        async fn ledger() -> RedisLedger<Connection> {
            RedisLedger::new(RedisConfig::new(redis_url().await).connect().await.unwrap())
        }

        #[derive(Debug)]
        struct Indexed(Arc<dyn DelayQueueBackend>);

        impl Fixture for Indexed {
            type Backend = Arc<dyn DelayQueueBackend>;

            async fn start() -> Self {
                Self(indexed(ledger().await).await)
            }

            fn backend(&self) -> Self::Backend {
                Arc::clone(&self.0)
            }

            async fn with_wrong_clock(&self, clock: WrongClock) -> Self::Backend {
                wrong(clock, ledger().await).await
            }
        }

        conformance_suite!(Indexed);
    }

    mod on_postgres {
        use super::*;

        #[derive(Debug)]
        struct Indexed(Arc<dyn DelayQueueBackend>);

        impl Fixture for Indexed {
            type Backend = Arc<dyn DelayQueueBackend>;

            async fn start() -> Self {
                let pool = common::connect::<Postgres>(&postgres_database().await).await;
                SqlLedger::migrate(&pool).await.unwrap();
                Self(indexed(SqlLedger::new(pool)).await)
            }

            fn backend(&self) -> Self::Backend {
                Arc::clone(&self.0)
            }
        }

        conformance_suite!(Indexed);
    }
}
