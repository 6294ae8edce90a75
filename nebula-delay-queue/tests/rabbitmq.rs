//! The conformance suite on a real RabbitMQ broker.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::{sync::Arc, time::Duration};

use nebula_delay_queue::{
    Capabilities, DelayQueueBackend, DelayQueueProducer, MessageLedger, QueueName, RabbitDelayQueue, RedisLedger,
    SqlLedger, conformance_suite, nebula_redis::RedisConfig, sqlx::Postgres, testing::Fixture,
};
use nebula_test_support::{amqp_url, postgres_database, redis_url, unique};

/// All tests share one ladder, and keep apart by the names of their queues.
async fn rabbit() -> RabbitDelayQueue {
    let prefix = QueueName::new(unique("t")).unwrap();
    // The broker is slow in declaring queues when all tests want theirs at once.
    let options = RabbitDelayQueue::options(amqp_url().await).timeout(Duration::from_secs(60));
    options.queue_prefix(prefix).connect().await.unwrap()
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
}

conformance_suite!(RabbitMq);

/// With a ledger, nothing is left out; behind an `Arc<dyn …>`.
mod with_a_ledger {
    use super::*;

    async fn indexed(ledger: impl MessageLedger) -> Arc<dyn DelayQueueBackend> {
        let queue = rabbit().await.with_ledger(ledger);
        assert_eq!(queue.capabilities(), Capabilities::FULL);
        Arc::new(queue)
    }

    mod on_redis {
        use super::*;

        #[derive(Debug)]
        struct Indexed(Arc<dyn DelayQueueBackend>);

        impl Fixture for Indexed {
            type Backend = Arc<dyn DelayQueueBackend>;

            async fn start() -> Self {
                let connection = RedisConfig::new(redis_url().await).connect().await.unwrap();
                Self(indexed(RedisLedger::new(connection)).await)
            }

            fn backend(&self) -> Self::Backend {
                Arc::clone(&self.0)
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
