//! One process with a ledger of its own, or several that share one: never two ledgers for one PostgreSQL database.
//!
//! The lock on the data folder sees to that on one machine. On several, the database has to: each process keeps a
//! connection with an advisory lock, for itself with the ledger in memory, together with others with the shared one.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::Primary;

/// Any number that nothing else on the server locks.
const LOCK: i64 = 0x7469_636b_6c65_6467;
/// The server notices within this time that a process which had the lock is gone.
const PATIENCE: Duration = Duration::from_secs(15);
const AGAIN: Duration = Duration::from_millis(250);
/// How often the connection is looked after.
const LOOK: Duration = Duration::from_secs(5);

/// Why this process may not sell from the database.
#[derive(Debug, thiserror::Error)]
pub enum SoleError {
    /// The server cannot be asked.
    #[error("the PostgreSQL server that the configuration names in database.url cannot be used")]
    Server(#[from] sqlx::Error),
    /// Another process sells, and the two would not know of each other's seats.
    #[error(
        "another server is running on the PostgreSQL database in database.url, and {0}: two ledgers would sell the same \
         seats. Set ledger.provider to redis, with the same redis.url, for all servers of this database"
    )]
    Taken(&'static str),
}

/// The right to sell from the database; given back when dropped, also by a crash.
#[derive(Debug)]
pub struct Sole(Arc<Mutex<Option<Right>>>);

/// The connection that has the lock.
#[derive(Debug)]
struct Right {
    connection: PgConnection,
    /// Of the server that gave it. One that took over since does not know of it.
    timeline: i64,
}

impl Sole {
    /// Takes the right, to sell `alone` or with others. On SQLite the data folder's lock is enough.
    ///
    /// When the connection is lost later it is taken anew; if somebody else has it by then, `stopping` is cancelled.
    ///
    /// # Errors
    ///
    /// [`SoleError`].
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn claim(
        primary: Option<&Primary>,
        alone: bool,
        stopping: &CancellationToken,
    ) -> Result<Option<Self>, SoleError> {
        let Some(primary) = primary else { return Ok(None) };
        let sole = Self(Arc::new(Mutex::new(Some(take(primary, alone).await?))));
        tokio::spawn(keep(Arc::downgrade(&sole.0), primary.clone(), alone, stopping.clone()));
        Ok(Some(sole))
    }

    /// Gives the right back and waits until the server knows.
    ///
    /// # Cancel safety
    ///
    /// The right is given back, perhaps a moment later.
    pub async fn release(&self) {
        if let Some(right) = self.0.lock().await.take() {
            // A server that is gone has forgotten the lock as well.
            let _closed = right.connection.close().await;
        }
    }
}

async fn take(primary: &Primary, alone: bool) -> Result<Right, SoleError> {
    let timeline = primary.timeline();
    let mut connection = primary.options().connect().await?;
    let statement = if alone { "SELECT pg_try_advisory_lock($1)" } else { "SELECT pg_try_advisory_lock_shared($1)" };
    let deadline = Instant::now() + PATIENCE;
    loop {
        if sqlx::query_scalar(statement).bind(LOCK).fetch_one(&mut connection).await? {
            return Ok(Right { connection, timeline });
        }
        if Instant::now() > deadline {
            return Err(SoleError::Taken(if alone {
                "this one has its ledger in memory"
            } else {
                "that one has its ledger in memory"
            }));
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn keep(held: Weak<Mutex<Option<Right>>>, primary: Primary, alone: bool, stopping: CancellationToken) {
    while stopping.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
        let Some(held) = held.upgrade() else { return };
        let mut held = held.lock().await;
        // Without a connection it was given back: the process stops.
        let Some(right) = held.as_mut() else { return };
        if right.timeline == primary.timeline() && matches!(timeout(LOOK, right.connection.ping()).await, Ok(Ok(()))) {
            continue;
        }
        match take(&primary, alone).await {
            Ok(right) => *held = Some(right),
            Err(SoleError::Server(error)) => {
                tracing::warn!(
                    error = crate::problem::chain(&error),
                    "the right to sell alone could not be taken anew"
                );
            }
            Err(error) => {
                tracing::error!(error = crate::problem::chain(&error), "this server stops");
                stopping.cancel();
            }
        }
    }
}
