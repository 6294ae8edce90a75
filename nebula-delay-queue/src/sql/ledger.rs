//! The ledger of a broker's messages, in a database.

use std::{collections::HashMap, fmt, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use sqlx::{Connection as _, Pool};

use super::{
    SqlDatabase, SqlDelayQueue, as_i64,
    beside::{LedgerRow, NewLedgerRow},
    database::statistics,
    error::sql_error,
    row::json,
    session::{SWEPT, Session, now_ms},
};
use crate::{
    Error, ErrorKind, LedgerChange, LedgerContent, LedgerRecord, LedgerState, LedgerView, MessageId, MessageLedger,
    QueueName, QueueStats, Result,
};

/// Keeps records in a database, for all processes that use it, as durable as its commits.
///
/// [`migrate`](Self::migrate) makes the tables of [`SqlDelayQueue`], of which the ledger is one.
pub struct SqlLedger<
    #[cfg(feature = "sqlite")] DB: SqlDatabase = sqlx::Sqlite,
    #[cfg(not(feature = "sqlite"))] DB: SqlDatabase,
> {
    session: Session<DB>,
}

impl<DB: SqlDatabase> Clone for SqlLedger<DB> {
    fn clone(&self) -> Self {
        Self { session: self.session.clone() }
    }
}

impl<DB: SqlDatabase> SqlLedger<DB> {
    /// Records in a database that [`migrate`](Self::migrate) has prepared.
    #[must_use]
    pub fn new(pool: Pool<DB>) -> Self {
        Self { session: Session::new(pool) }
    }

    /// How long any operation may take, waiting for a connection and for locks included. 10 s by default.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.session.timeout = timeout;
        self
    }

    /// Creates or updates this crate's tables, as [`SqlDelayQueue::migrate`] does.
    ///
    /// # Errors
    ///
    /// As [`SqlDelayQueue::migrate`].
    ///
    /// # Cancel safety
    ///
    /// As [`SqlDelayQueue::migrate`].
    pub async fn migrate(pool: &Pool<DB>) -> Result<()> {
        SqlDelayQueue::<DB>::migrate(pool).await
    }
}

#[async_trait]
impl<DB: SqlDatabase> MessageLedger for SqlLedger<DB> {
    async fn read(&self, queue: &QueueName, ids: &[MessageId]) -> Result<LedgerView> {
        let context = "reading the ledger";
        let ids_text = json(&ids)?;
        let read = self.session.within(context, async {
            let mut connection = self.session.connection(context).await?;
            let now = now_ms::<DB>(&mut connection).await?;
            let rows = DB::read_ledger(&mut connection, queue.as_str(), &ids_text).await.map_err(sql_error(context))?;
            connection.done((now, rows))
        });
        let (now, rows) = read.await?;
        let mut rows: HashMap<String, LedgerRow> = rows.into_iter().map(|row| (row.id.clone(), row)).collect();
        let records = ids.iter().map(|id| rows.remove(id.as_str()).map(LedgerRow::open).transpose());
        Ok(LedgerView { now_ms: now.unsigned_abs(), records: records.collect::<Result<_>>()? })
    }

    async fn swap(&self, queue: &QueueName, changes: &[LedgerChange]) -> Result<Vec<bool>> {
        let context = "writing the ledger";
        self.session
            .within(context, async {
                let mut connection = self.session.connection(context).await?;
                if self.session.sweeps(queue.as_str()) {
                    let now = now_ms::<DB>(&mut connection).await?;
                    let swept = DB::sweep_ledger(&mut connection, queue.as_str(), now, SWEPT).await;
                    swept.map_err(sql_error(context))?;
                }
                // In the order of ids: two who write the same ones wait for each other, and not both for ever.
                let mut places: Vec<usize> = (0..changes.len()).collect();
                places.sort_unstable_by_key(|place| &changes[*place].id);
                let mut written = vec![false; changes.len()];
                let mut tx = connection.begin_with(DB::WRITING).await.map_err(sql_error(context))?;
                for place in places {
                    let row = NewLedgerRow::of(&changes[place]);
                    let done = DB::write_ledger(&mut tx, queue.as_str(), &row).await;
                    written[place] = done.map_err(sql_error(context))?;
                }
                tx.commit().await.map_err(sql_error(context))?;
                connection.done(written)
            })
            .await
    }

    async fn content(&self, queue: &QueueName, id: &MessageId) -> Result<Option<Bytes>> {
        let context = "reading a message from the ledger";
        let read = self.session.within(context, async {
            let mut connection = self.session.connection(context).await?;
            let content = DB::ledger_content(&mut connection, queue.as_str(), id.as_str()).await;
            connection.done(content.map_err(sql_error(context))?)
        });
        Ok(read.await?.map(Bytes::from))
    }

    async fn next(&self, queue: &QueueName) -> Result<(u64, Option<u64>)> {
        let context = "looking for due messages in the ledger";
        let next = self.session.within(context, async {
            let mut connection = self.session.connection(context).await?;
            let now = now_ms::<DB>(&mut connection).await?;
            let next = DB::ledger_next(&mut connection, queue.as_str()).await.map_err(sql_error(context))?;
            connection.done((now, next))
        });
        let (now, next) = next.await?;
        Ok((now.unsigned_abs(), next.map(i64::unsigned_abs)))
    }

    async fn counts(&self, queue: &QueueName) -> Result<QueueStats> {
        let context = "counting messages in the ledger";
        let counts = self.session.within(context, async {
            let mut connection = self.session.connection(context).await?;
            let now = now_ms::<DB>(&mut connection).await?;
            let counts = DB::ledger_counts(&mut connection, queue.as_str(), now).await.map_err(sql_error(context))?;
            connection.done((now, counts))
        });
        let (now, counts) = counts.await?;
        Ok(statistics(counts, now))
    }

    async fn forget_dead(&self, queue: &QueueName) -> Result<u64> {
        let context = "forgetting dead letters";
        self.session
            .within(context, async {
                let mut connection = self.session.connection(context).await?;
                let forgotten = DB::forget_dead(&mut connection, queue.as_str()).await;
                connection.done(forgotten.map_err(sql_error(context))?)
            })
            .await
    }
}

impl LedgerRow {
    fn open(self) -> Result<LedgerRecord> {
        let state = u8::try_from(self.state).ok().and_then(LedgerState::from_code);
        let state = state.ok_or_else(|| Error::new(ErrorKind::Corrupt, "a record of the ledger is not understood"))?;
        let (version, at_ms) = (self.version.unsigned_abs(), self.at_ms.unsigned_abs());
        Ok(LedgerRecord { version, state, at_ms, detail: self.detail })
    }
}

impl<'a> NewLedgerRow<'a> {
    fn of(change: &'a LedgerChange) -> Self {
        let LedgerChange { id, expected, record, content } = change;
        Self {
            id: id.as_str(),
            expected: expected.map(as_i64),
            version: as_i64(record.version),
            state: i64::from(record.state.code()),
            at_ms: as_i64(record.at_ms),
            detail: &record.detail,
            content: match content {
                LedgerContent::Keep => None,
                LedgerContent::Clear => Some(None),
                LedgerContent::Set(content) => Some(Some(content)),
            },
        }
    }
}

impl<DB: SqlDatabase> fmt::Debug for SqlLedger<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlLedger").field("database", &DB::NAME).finish_non_exhaustive()
    }
}
