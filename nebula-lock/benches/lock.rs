//! What the manager itself costs, over the memory backend.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]
#![allow(missing_docs, reason = "criterion generates the entry point")]

use criterion::{Criterion, criterion_group, criterion_main};
use nebula_lock::{LockManager, MemoryLock};
use tokio::runtime::{Builder, Runtime};

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

fn uncontended(criterion: &mut Criterion) {
    let runtime = runtime();
    let locks = LockManager::new(MemoryLock::new());
    criterion.bench_function("lock and release", |bencher| {
        bencher.to_async(&runtime).iter(async || {
            let guard = locks.lock("key").await.expect("nobody else wants it");
            guard.release().await
        });
    });
}

fn refused(criterion: &mut Criterion) {
    let runtime = runtime();
    let locks = LockManager::new(MemoryLock::new());
    let _guard = runtime.block_on(async { locks.lock("key").await }).expect("nobody else wants it");
    criterion.bench_function("try_lock of a held key", |bencher| {
        bencher.to_async(&runtime).iter(async || locks.try_lock("key").await.expect("memory always answers").is_none());
    });
}

fn contended(criterion: &mut Criterion) {
    let runtime = runtime();
    let locks = LockManager::new(MemoryLock::new());
    criterion.bench_function("16 tasks in turn on one key", |bencher| {
        bencher.to_async(&runtime).iter(async || {
            let turns: Vec<_> = (0..16)
                .map(|_| {
                    let locks = locks.clone();
                    tokio::spawn(async move { locks.lock("key").await.expect("its turn").release().await })
                })
                .collect();
            for turn in turns {
                turn.await.expect("no panic");
            }
        });
    });
}

criterion_group!(benches, uncontended, refused, contended);
criterion_main!(benches);
