//! Moves orders, a batch in a transaction.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_util::sync::CancellationToken;

use super::{
    config::ArchiveConfig,
    tables::{TABLES, Table, places},
};
use crate::{
    clock::Millis,
    ids::OrderId,
    problem::{Problem, Result},
    storage::{
        Connection, Database,
        sql::{Query, Sql, query},
    },
};

/// What an order must be to be archived: `$1` is the time since when nothing of it has changed, `$2` the latest beginning of a
/// show that was over by then.
const SETTLED: &str = include_str!("sql/settled.sql");
/// Between two batches others write.
const BREATH: Duration = Duration::from_millis(20);

/// What was moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Archived {
    /// Orders.
    pub orders: u64,
    /// Rows of all tables, orders included.
    pub rows: u64,
}

/// Moves what is over into the archive. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Archive {
    database: Database,
    config: ArchiveConfig,
    show_length: Duration,
}

impl Archive {
    /// An archive of this database. A show is over when it began `show_length` ago.
    #[must_use]
    pub fn new(database: Database, config: ArchiveConfig, show_length: Duration) -> Self {
        Self { database, config, show_length }
    }

    /// Moves all that is old enough, batch by batch; `moved` hears how far it is after each.
    ///
    /// Of two at once, each moves what the other one does not.
    ///
    /// # Errors
    ///
    /// The database failed: what was moved stays moved, the next run goes on.
    ///
    /// # Cancel safety
    ///
    /// A batch is moved as a whole or not at all; the next run goes on.
    pub async fn run(&self, stopping: &CancellationToken, moved: impl Fn(Archived) + Send) -> Result<Archived> {
        let ended = self.move_all(stopping, moved).await;
        match &ended {
            Ok(all) => {
                if !stopping.is_cancelled() {
                    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                    metrics::gauge!("ticketing_archive_ended_timestamp_seconds").set(now.as_secs_f64());
                }
                if all.orders > 0 {
                    tracing::info!(orders = all.orders, rows = all.rows, "ended orders were archived");
                }
            }
            Err(_) => metrics::counter!("ticketing_archive_failures_total").increment(1),
        }
        ended
    }

    async fn move_all(&self, stopping: &CancellationToken, moved: impl Fn(Archived) + Send) -> Result<Archived> {
        let before = Millis::now().minus(self.config.after);
        let limits = [before.0, before.minus(self.show_length).0];
        let (mut all, mut after) = (Archived::default(), (i64::MIN, String::new()));
        while !stopping.is_cancelled() {
            let sql = format!(
                "SELECT orders.id, orders.updated_at FROM orders WHERE {SETTLED} \
                 AND (orders.updated_at, orders.id) > ($3, $4) ORDER BY orders.updated_at, orders.id LIMIT $5"
            );
            let found = bound(query(Sql::Built(sql)), limits).bind(after.0).bind(&after.1).bind(self.config.batch);
            let rows = found.fetch_all(&self.database.read).await?;
            let Some(last) = rows.last() else { break };
            after = (last.get("updated_at")?, last.get("id")?);
            let orders = rows.iter().map(|row| row.get("id")).collect::<sqlx::Result<Vec<OrderId>>>()?;
            let batch = self
                .database
                .write
                .run::<_, Problem, _>(move |connection| {
                    Box::pin(async move { move_some(connection, &orders, limits).await })
                })
                .await?;
            metrics::counter!("ticketing_archived_orders_total").increment(batch.orders);
            metrics::counter!("ticketing_archived_rows_total").increment(batch.rows);
            all = Archived { orders: all.orders + batch.orders, rows: all.rows + batch.rows };
            moved(all);
            // Dropped by nobody: whoever stops waits for the end of a batch only.
            let _stopped = stopping.run_until_cancelled(tokio::time::sleep(BREATH)).await;
        }
        Ok(all)
    }
}

/// Moves those of the orders that are still settled now that nobody else can change them.
async fn move_some(connection: &mut Connection<'_>, orders: &[OrderId], limits: [i64; 2]) -> Result<Archived> {
    let list = places(1, orders.len());
    // What somebody else works on is left to the next run. On SQLite, whoever writes is alone.
    let lock = match connection {
        Connection::Sqlite(_) => format!("SELECT id FROM orders WHERE id IN ({list})"),
        Connection::Postgres(_) => format!("SELECT id FROM orders WHERE id IN ({list}) FOR UPDATE SKIP LOCKED"),
    };
    let locked: Vec<OrderId> = bound(query(Sql::Built(lock)), orders.iter().copied()).scalars(&mut *connection).await?;
    if locked.is_empty() {
        return Ok(Archived::default());
    }
    // A statement of its own: it sees what was committed before the locks were had.
    let sql = format!("SELECT orders.id FROM orders WHERE {SETTLED} AND orders.id IN ({})", places(3, locked.len()));
    let settled = bound(bound(query(Sql::Built(sql)), limits), locked);
    let settled: Vec<OrderId> = settled.scalars(&mut *connection).await?;
    if settled.is_empty() {
        return Ok(Archived::default());
    }
    let mut copied = [0; TABLES.len()];
    for (table, copied) in TABLES.iter().zip(&mut copied) {
        *copied = copy(connection, table, &settled).await?;
    }
    // What refers to others goes first.
    for (table, copied) in TABLES.iter().zip(copied).rev() {
        let remove = bound(query(table.remove(settled.len())), settled.iter().copied());
        let removed = remove.execute(&mut *connection).await?;
        if removed != copied {
            let name = table.name;
            return Err(Problem::internal(format!("{copied} rows of {name} were copied, and {removed} removed")));
        }
    }
    Ok(Archived { orders: copied[0], rows: copied.iter().sum() })
}

async fn copy(connection: &mut Connection<'_>, table: &Table, orders: &[OrderId]) -> Result<u64> {
    let mut copy = bound(query(table.copy(orders.len())), orders.iter().copied());
    if table.is_dated() {
        copy = copy.bind(Millis::now().0);
    }
    Ok(copy.execute(connection).await?)
}

fn bound<V: Into<crate::storage::sql::Value>>(query: Query, values: impl IntoIterator<Item = V>) -> Query {
    values.into_iter().fold(query, Query::bind)
}
