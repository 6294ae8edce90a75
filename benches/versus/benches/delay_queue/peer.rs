//! `apalis-redis`, with batches of a hundred; everything else as it comes.
//!
//! What it delivers is pushed without a delay, which is its shorter way: its scheduled tasks take another step, and when
//! very many are due together its script unpacks them all at once, which Redis refuses.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use apalis_core::backend::TaskSink;
use apalis_core::error::BoxDynError;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_core::worker::context::WorkerContext;
use apalis_redis::{Config, RedisStorage};

#[derive(Clone)]
pub(crate) struct Apalis(RedisStorage<String>);

impl Apalis {
    pub(crate) async fn connect(url: &str, name: &str) -> Self {
        let connection = apalis_redis::connect(url).await.unwrap();
        Self(RedisStorage::new(connection).with_config(Config::default().queue(name).batch_size(crate::BATCH)))
    }

    pub(crate) async fn schedule(mut self, body: &str, delay: Duration) {
        self.0.push_task(TaskBuilder::new(body.to_owned()).run_after(delay).build()).await.unwrap();
    }

    pub(crate) async fn push(mut self, body: &str) {
        self.0.push(body.to_owned()).await.unwrap();
    }

    /// Runs a worker until it has handled `total` tasks.
    pub(crate) async fn deliver(self, total: usize) {
        let handled = Arc::new(AtomicUsize::new(0));
        let handler = move |body: String, worker: WorkerContext| {
            let handled = Arc::clone(&handled);
            async move {
                std::hint::black_box(body);
                if handled.fetch_add(1, Ordering::Relaxed) + 1 == total {
                    worker.stop()?;
                }
                Ok::<_, BoxDynError>(())
            }
        };
        WorkerBuilder::new("versus").backend(self.0).build(handler).run().await.unwrap();
    }
}
