//! The SQLite backend keeps the contract, on a file in WAL mode.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use nebula_delay_queue::{SqlDelayQueue, conformance_suite, testing::Fixture};

mod common;

#[derive(Debug)]
struct Sqlite {
    _folder: tempfile::TempDir,
    queue: SqlDelayQueue,
}

impl Fixture for Sqlite {
    type Backend = SqlDelayQueue;

    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pool = common::pool(&folder.path().join("queue.db")).await;
        SqlDelayQueue::migrate(&pool).await.unwrap();
        Self { _folder: folder, queue: SqlDelayQueue::new(pool) }
    }

    fn backend(&self) -> SqlDelayQueue {
        self.queue.clone()
    }
}

conformance_suite!(Sqlite);
