//! They keep the contract, as themselves and behind an `Arc<dyn …>`.

use std::sync::Arc;

use nebula_delay_queue::{
    DelayQueueBackend, SqlDatabase, SqlDelayQueue, conformance_suite,
    sqlx::{MySql, Postgres, Sqlite},
    testing::{Fixture, WrongClock},
};
use nebula_test_support::{mariadb_database, postgres_database};
use tempfile::TempDir;

use crate::common;

#[derive(Debug)]
struct Fresh<DB: SqlDatabase> {
    queue: SqlDelayQueue<DB>,
    _folder: Option<TempDir>,
}

impl Fresh<Sqlite> {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pool = common::pool(&folder.path().join("queue.db")).await;
        SqlDelayQueue::migrate(&pool).await.unwrap();
        Self { queue: SqlDelayQueue::new(pool), _folder: Some(folder) }
    }
}

impl Fresh<Postgres> {
    async fn new() -> Self {
        Self { queue: common::queue(&postgres_database().await).await, _folder: None }
    }
}

impl Fresh<MySql> {
    async fn new() -> Self {
        Self { queue: common::queue(&mariadb_database().await).await, _folder: None }
    }
}

macro_rules! both_ways {
    ($module:ident, $database:ty; $($wrong:tt)*) => {
        mod $module {
            use super::*;

            impl Fixture for Fresh<$database> {
                type Backend = SqlDelayQueue<$database>;

                async fn start() -> Self {
                    Self::new().await
                }

                fn backend(&self) -> Self::Backend {
                    self.queue.clone()
                }

                $($wrong)*
            }

            conformance_suite!(Fresh<$database>);

            mod erased {
                use super::*;

                #[derive(Debug)]
                struct Erased(Fresh<$database>);

                impl Fixture for Erased {
                    type Backend = Arc<dyn DelayQueueBackend>;

                    async fn start() -> Self {
                        Self(Fresh::<$database>::new().await)
                    }

                    fn backend(&self) -> Self::Backend {
                        Arc::new(self.0.queue.clone())
                    }
                }

                conformance_suite!(Erased);
            }
        }
    };
}

both_ways!(
    sqlite, Sqlite;
    // Processes that share a file share the machine and its clock, right or wrong. A server has its own.
    async fn with_wrong_clock(&self, clock: WrongClock) -> Self::Backend {
        self.queue.clone().with_clock(clock)
    }
);
both_ways!(postgres, Postgres;);
both_ways!(mariadb, MySql;);
