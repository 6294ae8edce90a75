//! Handing messages out under leases.

use std::{collections::HashSet, time::Duration};

use async_trait::async_trait;
use serde::Serialize;
use sqlx::{FromRow, Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    SqlDelayQueue, as_i64,
    error::sql_error,
    row::{Content, json},
};
use crate::{
    Bury, Claimed, DeadLetter, DeadReason, DelayQueueConsumer, Delivery, LeaseToken, MessageId, QueueName, QueueStats,
    Receipt, Replay, Result, Retry, Schedule, Settled, Wakeups,
    clock::{from_ms, lease_ms},
    error::chain,
};

/// As many messages as one statement claims or settles.
const BATCH: usize = 500;

struct ClaimedRow {
    content: Content,
    due_ms: i64,
    ready_ms: i64,
    attempts: i64,
}

impl FromRow<'_, SqliteRow> for ClaimedRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            content: Content::from_row(row)?,
            due_ms: row.try_get("due_ms")?,
            ready_ms: row.try_get("ready_ms")?,
            attempts: row.try_get("attempts")?,
        })
    }
}

struct DeadRow {
    content: Content,
    attempts: i64,
    last_error: Option<String>,
    died_ms: i64,
    reason: Option<String>,
}

impl FromRow<'_, SqliteRow> for DeadRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            content: Content::from_row(row)?,
            attempts: row.try_get("attempts")?,
            last_error: row.try_get("last_error")?,
            died_ms: row.try_get("died_ms")?,
            reason: row.try_get("reason")?,
        })
    }
}

#[async_trait]
impl DelayQueueConsumer for SqlDelayQueue {
    async fn claim(&self, queue: &QueueName, max: usize, lease: Duration) -> Result<Claimed> {
        let context = "claiming messages";
        let claimed = self.within(context, async {
            let mut connection = self.connection(context).await?;
            let next = next_ms(&mut connection, queue).await?;
            // Reading first spares idle workers the database's one write lock.
            if max == 0 || next.is_none_or(|next| next > self.now_ms()) {
                return Ok((Vec::new(), next));
            }
            let rows = self.take(&mut connection, queue, max.min(BATCH), lease).await?;
            Ok((rows, next_ms(&mut connection, queue).await?))
        });
        let (rows, next) = claimed.await?;
        self.hub.observe(queue, next.map(i64::unsigned_abs));
        let now = self.now_ms();
        let next_due = next.map(|next| Duration::from_millis(u64::try_from(next - now).unwrap_or(0)));
        Ok(Claimed::new(rows, next_due))
    }

    async fn ack(&self, queue: &QueueName, receipts: &[Receipt]) -> Result<Vec<Settled>> {
        let rows = receipts.iter().map(|receipt| (receipt, (&receipt.id, receipt.token.to_string())));
        self.settle("acknowledging messages", include_str!("sqlite/ack.sql"), queue, rows, None).await
    }

    async fn retry(&self, queue: &QueueName, requests: &[Retry]) -> Result<Vec<Settled>> {
        let now = self.clock.now();
        let rows = requests.iter().map(|request| {
            let Retry { receipt, after, error, counted } = request;
            let at = as_i64(Schedule::After(*after).due_ms(now));
            (receipt, (&receipt.id, receipt.token.to_string(), at, u8::from(*counted), error))
        });
        let result = self.settle("giving messages back", include_str!("sqlite/retry.sql"), queue, rows, None).await;
        if let Some(soonest) = requests.iter().map(|request| Schedule::After(request.after).due_ms(now)).min() {
            self.hub.offer(queue, soonest);
        }
        result
    }

    async fn extend(&self, queue: &QueueName, receipts: &[Receipt], lease: Duration) -> Result<Vec<Settled>> {
        let end = self.now_ms().saturating_add(as_i64(lease_ms(lease)));
        let rows = receipts.iter().map(|receipt| (receipt, (&receipt.id, receipt.token.to_string())));
        self.settle("extending leases", include_str!("sqlite/extend.sql"), queue, rows, Some(end)).await
    }

    async fn bury(&self, queue: &QueueName, requests: &[Bury]) -> Result<Vec<Settled>> {
        let mut rows = Vec::with_capacity(requests.len());
        for Bury { receipt, reason, error } in requests {
            rows.push((receipt, (&receipt.id, receipt.token.to_string(), json(reason)?, error)));
        }
        let now = Some(self.now_ms());
        self.settle("burying messages", include_str!("sqlite/bury.sql"), queue, rows, now).await
    }

    async fn dead_letters(&self, queue: &QueueName, skip: usize, limit: usize) -> Result<Vec<DeadLetter>> {
        let query = sqlx::query_as::<_, DeadRow>(include_str!("sqlite/dead.sql"))
            .bind(queue.as_str())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .bind(i64::try_from(skip).unwrap_or(i64::MAX));
        let context = "listing dead letters";
        let rows =
            self.within(context, async { query.fetch_all(&self.pool).await.map_err(sql_error(context)) }).await?;
        Ok(rows.into_iter().filter_map(DeadRow::open).collect())
    }

    async fn replay(&self, queue: &QueueName, id: &MessageId) -> Result<Replay> {
        let now = self.now_ms();
        let replay = sqlx::query(include_str!("sqlite/replay.sql")).bind(queue.as_str()).bind(id.as_str()).bind(now);
        let context = "replaying a dead letter";
        let done = self.within(context, async { replay.execute(&self.pool).await.map_err(sql_error(context)) }).await?;
        if done.rows_affected() == 0 {
            return Ok(Replay::NotFound);
        }
        self.hub.offer(queue, now.unsigned_abs());
        Ok(Replay::Replayed)
    }

    async fn purge(&self, queue: &QueueName, id: Option<&MessageId>) -> Result<u64> {
        let purge = sqlx::query(include_str!("sqlite/purge.sql")).bind(queue.as_str()).bind(id.map(MessageId::as_str));
        let context = "purging dead letters";
        let done = self.within(context, async { purge.execute(&self.pool).await.map_err(sql_error(context)) }).await?;
        Ok(done.rows_affected())
    }

    async fn stats(&self, queue: &QueueName) -> Result<QueueStats> {
        let now = self.now_ms();
        let query = sqlx::query_as::<_, (i64, i64, i64, i64, Option<i64>)>(include_str!("sqlite/stats.sql"))
            .bind(queue.as_str())
            .bind(now);
        let context = "counting messages";
        let counts = self.within(context, async { query.fetch_one(&self.pool).await.map_err(sql_error(context)) });
        let (backlog, delayed, leased, dead, oldest) = counts.await?;
        let late = oldest.map_or(0, |at| u64::try_from(now - at).unwrap_or(0));
        let count = i64::unsigned_abs;
        Ok(QueueStats::new(count(backlog), count(delayed), count(leased), count(dead), Duration::from_millis(late)))
    }

    fn wakeups(&self, queue: &QueueName) -> Wakeups {
        self.hub.subscribe(queue)
    }

    fn poll_interval(&self) -> Duration {
        Duration::from_millis(100)
    }
}

impl SqlDelayQueue {
    async fn take(
        &self,
        connection: &mut SqliteConnection,
        queue: &QueueName,
        max: usize,
        lease: Duration,
    ) -> Result<Vec<Delivery>> {
        let now = self.now_ms();
        let token = LeaseToken::random();
        let mut rows: Vec<ClaimedRow> = sqlx::query_as(include_str!("sqlite/claim.sql"))
            .bind(queue.as_str())
            .bind(now)
            .bind(i64::try_from(max).unwrap_or(i64::MAX))
            .bind(now.saturating_add(as_i64(lease_ms(lease))))
            .bind(token.to_string())
            .fetch_all(connection)
            .await
            .map_err(sql_error("claiming messages"))?;
        // RETURNING promises no order.
        rows.sort_unstable_by_key(|row| (row.content.rank, row.ready_ms, row.content.seq));
        let mut deliveries = Vec::with_capacity(rows.len());
        let mut corrupt = Vec::new();
        for ClaimedRow { content, due_ms, ready_ms, attempts } in rows {
            let id = content.id.clone();
            match content.open() {
                Ok(message) => {
                    let since = |ms: i64| Duration::from_millis(u64::try_from(now - ms).unwrap_or(0));
                    let attempt = u32::try_from(attempts).unwrap_or(u32::MAX);
                    let delivery = Delivery::new(message, token, attempt, from_ms(due_ms.unsigned_abs()));
                    deliveries.push(delivery.with_lateness(since(ready_ms), since(due_ms)));
                }
                Err(error) => {
                    tracing::error!(%queue, id, error = chain(&*error), "a stored message is not understood");
                    corrupt.extend(MessageId::new(id).ok().map(|id| Bury {
                        receipt: Receipt { id, token },
                        reason: DeadReason::Undecodable,
                        error: Some(chain(&*error)),
                    }));
                }
            }
        }
        if !corrupt.is_empty() {
            let _ = self.bury(queue, &corrupt).await?;
        }
        Ok(deliveries)
    }

    /// Runs a settling statement, whose second parameter is an array of rows and which returns the ids that it touched.
    async fn settle<'a, R: Serialize + Send + Sync>(
        &self,
        context: &'static str,
        sql: &'static str,
        queue: &QueueName,
        rows: impl IntoIterator<Item = (&'a Receipt, R)> + Send,
        time: Option<i64>,
    ) -> Result<Vec<Settled>> {
        let (receipts, rows): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        let mut results = Vec::with_capacity(receipts.len());
        let work = async {
            let mut connection = self.connection(context).await?;
            let mut start = 0;
            while start < receipts.len() {
                // The statements answer with ids, so each id may occur once: an old receipt of a message beside its
                // new one goes into the next statement.
                let mut seen = HashSet::new();
                let batch = receipts[start..].iter().take(BATCH).take_while(|receipt| seen.insert(&receipt.id)).count();
                let end = start + batch;
                let query = sqlx::query_scalar(sql).bind(queue.as_str()).bind(json(&&rows[start..end])?);
                let query = if let Some(time) = time { query.bind(time) } else { query };
                let touched: Vec<String> = query.fetch_all(&mut *connection).await.map_err(sql_error(context))?;
                let touched: HashSet<String> = touched.into_iter().collect();
                results.extend(receipts[start..end].iter().map(
                    |receipt| match touched.contains(receipt.id.as_str()) {
                        true => Settled::Done,
                        false => Settled::Stale,
                    },
                ));
                start = end;
            }
            Ok(())
        };
        self.within(context, work).await?;
        Ok(results)
    }
}

async fn next_ms(connection: &mut SqliteConnection, queue: &QueueName) -> Result<Option<i64>> {
    sqlx::query_scalar(include_str!("sqlite/next.sql"))
        .bind(queue.as_str())
        .fetch_one(connection)
        .await
        .map_err(sql_error("looking for due messages"))
}

impl DeadRow {
    fn open(self) -> Option<DeadLetter> {
        let Self { content, attempts, last_error, died_ms, reason } = self;
        let id = content.id.clone();
        // A letter whose envelope is damaged still shows its id and its body.
        let message = match (content.body.clone(), content.open()) {
            (_, Ok(message)) => message,
            (body, Err(_)) => crate::RawMessage::new(MessageId::new(id).ok()?, body),
        };
        let reason = reason.and_then(|reason| serde_json::from_str(&reason).ok()).unwrap_or(DeadReason::Undecodable);
        let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
        Some(DeadLetter::new(message, attempts, reason, last_error, from_ms(died_ms.unsigned_abs())))
    }
}
