//! The memory backend and the worker around it, without a server in the way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that cannot run fails by panicking"
)]

use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use nebula_delay_queue::{
    DelayMessage, DelayQueue, DelayQueueConsumer, DelayQueueProducer, Delivery, MemoryDelayQueue, QueueName,
    RawMessage, Received,
};
use tokio::runtime::Runtime;

const BATCH: usize = 100;
const LEASE: Duration = Duration::from_secs(60);

fn raw(count: usize) -> Vec<RawMessage> {
    (0..count).filter_map(|number| DelayMessage::new(number).encode().ok()).collect()
}

fn memory(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let queue = QueueName::new("bench").expect("a name");
    let mut group = criterion.benchmark_group("memory");
    group.throughput(Throughput::Elements(BATCH as u64));

    group.bench_function("enqueue 100 one by one", |bencher| {
        bencher.to_async(&runtime).iter_batched(
            || (MemoryDelayQueue::new(), raw(BATCH)),
            |(backend, messages)| {
                let queue = queue.clone();
                async move {
                    for message in messages {
                        let _ = backend.enqueue(&queue, message).await;
                    }
                    backend
                }
            },
            BatchSize::SmallInput,
        );
    });
    group.bench_function("enqueue, claim and ack 100 in batches", |bencher| {
        bencher.to_async(&runtime).iter_batched(
            || (MemoryDelayQueue::new(), raw(BATCH)),
            |(backend, messages)| {
                let queue = queue.clone();
                async move {
                    let _ = backend.enqueue_batch(&queue, messages).await;
                    let claimed = backend.claim(&queue, BATCH, LEASE).await.expect("memory answers");
                    let receipts: Vec<_> = claimed.deliveries.iter().map(Delivery::receipt).collect();
                    let _ = backend.ack(&queue, &receipts).await;
                    backend
                }
            },
            BatchSize::SmallInput,
        );
    });
    group.bench_function("worker, 100 messages from send to handler", |bencher| {
        bencher.to_async(&runtime).iter_batched(
            || (0..BATCH).map(DelayMessage::new).collect::<Vec<_>>(),
            |messages| async move {
                let queue = DelayQueue::new(MemoryDelayQueue::new());
                let (told, mut hears) = tokio::sync::mpsc::unbounded_channel();
                let handler = move |_: Received<usize>| {
                    let _ = told.send(());
                    async {}
                };
                let worker = queue.worker("bench").expect("a name").concurrency(16).prefetch(BATCH).handle(handler);
                let _worker = worker.start().expect("a runtime");
                let _ = queue.send_batch("bench", &messages).await;
                for _ in 0..BATCH {
                    hears.recv().await;
                }
                queue.shutdown(LEASE).await;
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, memory);
criterion_main!(benches);
