//! Group commit on SQLite: everything that waits to be written shares one transaction.
//!
//! SQLite lets one connection write at a time, and a durable commit costs a disk flush. So the writes of a process go
//! through one task, which takes all that wait, runs each in a savepoint of its own, and commits once. A write that
//! fails is rolled back alone; a caller is answered only after the commit.

use std::{sync::Arc, time::Instant};

use futures_util::future::BoxFuture;
use sqlx::{Connection as _, SqliteConnection, SqlitePool};
use tokio::sync::{mpsc, oneshot};

use super::{WriterError, sql::Connection};

/// Most writes in one transaction: bounds how long a reader of the log or another process waits for the lock.
const BATCH: usize = 128;
/// Most writes that may wait; more are refused with [`WriterError::Overloaded`].
const BACKLOG: usize = 8_192;

/// Takes back what a write did; the savepoint stays, for the next one.
const UNDO: &str = "ROLLBACK TO job";

/// Where writes wait for the next transaction.
#[derive(Clone, Debug)]
pub(super) struct Batches {
    jobs: mpsc::Sender<Box<dyn Job>>,
}

trait Job: Send {
    /// Whether what it wrote is to be kept.
    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> BoxFuture<'c, bool>;
    fn finish(self: Box<Self>, outcome: Result<(), WriterError>);
}

type Work<T, E> = Box<dyn for<'a, 'c> FnOnce(&'a mut Connection<'c>) -> BoxFuture<'a, Result<T, E>> + Send>;

struct Task<T, E> {
    work: Option<Work<T, E>>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<Result<T, E>, WriterError>>,
}

impl<T: Send + 'static, E: Send + 'static> Job for Task<T, E> {
    fn run<'c>(&'c mut self, connection: &'c mut SqliteConnection) -> BoxFuture<'c, bool> {
        Box::pin(async move {
            // Whoever asked has gone: do not sell a seat to nobody.
            let Some(work) = self.work.take().filter(|_| !self.reply.is_closed()) else { return true };
            self.result.insert(work(&mut Connection::Sqlite(connection)).await).is_ok()
        })
    }

    fn finish(self: Box<Self>, outcome: Result<(), WriterError>) {
        let reply = match (outcome, self.result) {
            (Ok(()), Some(result)) => Ok(result),
            (Ok(()), None) => return,
            (Err(error), _) => Err(error),
        };
        // The receiver may have gone since; what was committed stays, and a retry finds it.
        let _gone = self.reply.send(reply);
    }
}

impl Batches {
    /// Starts the task that owns the writing connection of `pool`.
    pub(super) fn start(pool: SqlitePool) -> Self {
        let (jobs, queue) = mpsc::channel(BACKLOG);
        tokio::spawn(run(pool, queue));
        Self { jobs }
    }

    pub(super) async fn run<T, E>(&self, work: Work<T, E>) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<WriterError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let task = Task { work: Some(work), result: None, reply };
        self.jobs.try_send(Box::new(task)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => WriterError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => WriterError::Stopped,
        })?;
        answer.await.map_err(|_| WriterError::Stopped)??
    }
}

async fn run(pool: SqlitePool, mut queue: mpsc::Receiver<Box<dyn Job>>) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut meters = None;
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        let started = Instant::now();
        // Looked up at the first batch, when whoever collects them is there.
        let (size, took) = meters.get_or_insert_with(|| {
            (metrics::histogram!("ticketing_write_batch_size"), metrics::histogram!("ticketing_write_batch_seconds"))
        });
        size.record(u32::try_from(batch.len()).unwrap_or(u32::MAX));
        let outcome = commit(&pool, &mut batch).await.map_err(WriterError::Transaction);
        if let Err(error) = &outcome {
            tracing::error!(error = crate::problem::chain(error), "a database transaction failed");
        }
        for job in batch.drain(..) {
            job.finish(outcome.clone());
        }
        took.record(started.elapsed());
    }
}

async fn commit(pool: &SqlitePool, batch: &mut [Box<dyn Job>]) -> Result<(), Arc<sqlx::Error>> {
    let mut connection = pool.acquire().await.map_err(Arc::new)?;
    // Immediate: a transaction that reads first and writes later could otherwise fail with SQLITE_BUSY at once,
    // without the busy time-out, when another process writes in between.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(Arc::new)?;
    let mut kept = None;
    for job in batch {
        // The end of one and the beginning of the next are one message to the thread that has the file.
        let begin = match kept {
            None => "SAVEPOINT job",
            Some(true) => "RELEASE job; SAVEPOINT job",
            Some(false) => UNDO,
        };
        sqlx::raw_sql(begin).execute(&mut *transaction).await.map_err(Arc::new)?;
        kept = Some(job.run(&mut transaction).await);
    }
    if kept == Some(false) {
        sqlx::raw_sql(UNDO).execute(&mut *transaction).await.map_err(Arc::new)?;
    }
    transaction.commit().await.map_err(Arc::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Database, sql::query};

    #[derive(Debug)]
    enum Refused {
        Wanted,
        Writer(#[allow(dead_code, reason = "shown by Debug when a test fails")] WriterError),
        Sql(#[allow(dead_code, reason = "shown by Debug when a test fails")] sqlx::Error),
    }

    impl From<WriterError> for Refused {
        fn from(error: WriterError) -> Self {
            Self::Writer(error)
        }
    }

    async fn insert(connection: &mut Connection<'_>, name: &str) -> Result<(), Refused> {
        query("INSERT INTO venues (id, name, created_at) VALUES ($1, $2, 0)")
            .bind(name)
            .bind(name)
            .execute(connection)
            .await
            .map(|_| ())
            .map_err(Refused::Sql)
    }

    #[tokio::test]
    async fn a_failing_write_takes_nobody_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("t.db")).await.unwrap();
        let writes = (0..300).map(|n| {
            let writer = database.write.clone();
            async move {
                writer
                    .run(move |connection| {
                        Box::pin(async move {
                            insert(connection, &format!("venue {n}")).await?;
                            if n % 3 == 0 { Err(Refused::Wanted) } else { Ok(n) }
                        })
                    })
                    .await
            }
        });
        let results = futures_util::future::join_all(writes).await;
        for (n, result) in results.into_iter().enumerate() {
            match result {
                Ok(answer) => assert!(answer == n && n % 3 != 0),
                Err(Refused::Wanted) => assert_eq!(n % 3, 0),
                Err(other) => panic!("{other:?}"),
            }
        }
        let kept: i64 = query("SELECT count(*) FROM venues").scalar(&database.read).await.unwrap();
        assert_eq!(kept, 200);
    }

    #[tokio::test]
    async fn a_caller_that_left_before_its_turn_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("t.db")).await.unwrap();
        let (entered, mut on_entered) = oneshot::channel();
        let (gate, on_gate) = oneshot::channel::<()>();
        let writer = database.write.clone();
        let first = tokio::spawn(async move {
            writer
                .run(move |connection| {
                    Box::pin(async move {
                        entered.send(()).unwrap();
                        on_gate.await.unwrap();
                        insert(connection, "first").await
                    })
                })
                .await
        });
        (&mut on_entered).await.unwrap();
        let writer = database.write.clone();
        let second = tokio::spawn(async move { writer.run(|connection| Box::pin(insert(connection, "second"))).await });
        tokio::task::yield_now().await;
        second.abort();
        assert!(second.await.unwrap_err().is_cancelled());
        gate.send(()).unwrap();
        first.await.unwrap().unwrap();
        database.write.run(|connection| Box::pin(insert(connection, "third"))).await.unwrap();
        let names: Vec<String> = query("SELECT name FROM venues ORDER BY name").scalars(&database.read).await.unwrap();
        assert_eq!(names, ["first", "third"]);
    }
}
