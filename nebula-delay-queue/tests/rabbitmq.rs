//! The conformance suite on a real RabbitMQ broker.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::sync::Arc;

use nebula_delay_queue::{DelayQueueBackend, QueueName, RabbitDelayQueue, conformance_suite, testing::Fixture};
use nebula_test_support::{amqp_url, unique};

/// All tests share one ladder, and keep apart by the names of their queues.
async fn rabbit() -> RabbitDelayQueue {
    let prefix = QueueName::new(unique("t")).unwrap();
    RabbitDelayQueue::options(amqp_url().await).queue_prefix(prefix).connect().await.unwrap()
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

mod erased {
    use super::*;

    #[derive(Debug)]
    struct Erased(Arc<dyn DelayQueueBackend>);

    impl Fixture for Erased {
        type Backend = Arc<dyn DelayQueueBackend>;

        async fn start() -> Self {
            Self(Arc::new(rabbit().await))
        }

        fn backend(&self) -> Arc<dyn DelayQueueBackend> {
            Arc::clone(&self.0)
        }
    }

    conformance_suite!(Erased);
}
