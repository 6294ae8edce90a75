//! Handing messages out under leases.

use std::{borrow::Cow, collections::HashSet, time::Duration};

use async_trait::async_trait;
use serde::Serialize;

use super::{
    SqlDatabase, SqlDelayQueue, as_i64,
    database::{Claim, ClaimedRow, DeadRow, Settling, statistics},
    error::sql_error,
    row::json,
};
use crate::{
    Bury, Claimed, DeadLetter, DeadReason, DelayQueueConsumer, Delivery, LeaseToken, MOST_PEEKED, MessageId, Pending,
    QueueName, QueueStats, Receipt, Replay, Result, Retry, Schedule, Settled, Wakeups,
    clock::{from_ms, lease_ms},
    error::chain,
};

/// As many messages as one statement claims or settles.
const BATCH: usize = 500;

#[async_trait]
impl<DB: SqlDatabase> DelayQueueConsumer for SqlDelayQueue<DB> {
    async fn claim(&self, queue: &QueueName, max: usize, lease: Duration) -> Result<Claimed> {
        let context = "claiming messages";
        let claimed = self.within(context, async {
            let mut connection = self.connection(context).await?;
            let now = self.now_ms(&mut connection).await?;
            let next = next_ms::<DB>(&mut connection, queue).await?;
            // Reading first spares idle workers a write: on SQLite, the database's one write lock.
            if max == 0 || next.is_none_or(|next| next > now) {
                return connection.done((Vec::new(), next, now));
            }
            let rows = self.take(&mut connection, queue, max.min(BATCH), now, lease).await?;
            let next = next_ms::<DB>(&mut connection, queue).await?;
            connection.done((rows, next, now))
        });
        let (rows, next, now) = claimed.await?;
        self.hub.observe(queue, next.map(i64::unsigned_abs));
        let next_due = next.map(|next| Duration::from_millis(u64::try_from(next - now).unwrap_or(0)));
        Ok(Claimed::new(rows, next_due))
    }

    async fn ack(&self, queue: &QueueName, receipts: &[Receipt]) -> Result<Vec<Settled>> {
        let context = Settling::Ack.context();
        self.within(context, async {
            let mut connection = self.connection(context).await?;
            let rows = receipts.iter().map(|receipt| (receipt, (&receipt.id, receipt.token.to_string())));
            let settled = settle::<DB, _>(&mut connection, Settling::Ack, queue, rows, None).await?;
            connection.done(settled)
        })
        .await
    }

    async fn retry(&self, queue: &QueueName, requests: &[Retry]) -> Result<Vec<Settled>> {
        let context = Settling::Retry.context();
        let done = self.within(context, async {
            let mut connection = self.connection(context).await?;
            let now = self.now(&mut connection).await?;
            let rows = requests.iter().map(|request| {
                let Retry { receipt, after, error, counted } = request;
                let at = as_i64(Schedule::After(*after).due_ms(now));
                (receipt, (&receipt.id, receipt.token.to_string(), at, u8::from(*counted), storable(error)))
            });
            let settled = settle::<DB, _>(&mut connection, Settling::Retry, queue, rows, None).await?;
            connection.done((settled, now))
        });
        let (settled, now) = done.await?;
        if let Some(soonest) = requests.iter().map(|request| Schedule::After(request.after).due_ms(now)).min() {
            self.hub.offer(queue, soonest);
        }
        Ok(settled)
    }

    async fn extend(&self, queue: &QueueName, receipts: &[Receipt], lease: Duration) -> Result<Vec<Settled>> {
        let context = Settling::Extend.context();
        self.within(context, async {
            let mut connection = self.connection(context).await?;
            let end = self.now_ms(&mut connection).await?.saturating_add(as_i64(lease_ms(lease)));
            let rows = receipts.iter().map(|receipt| (receipt, (&receipt.id, receipt.token.to_string())));
            let settled = settle::<DB, _>(&mut connection, Settling::Extend, queue, rows, Some(end)).await?;
            connection.done(settled)
        })
        .await
    }

    async fn bury(&self, queue: &QueueName, requests: &[Bury]) -> Result<Vec<Settled>> {
        let context = Settling::Bury.context();
        self.within(context, async {
            let mut connection = self.connection(context).await?;
            let now = self.now_ms(&mut connection).await?;
            let settled = bury::<DB>(&mut connection, queue, requests, now).await?;
            connection.done(settled)
        })
        .await
    }

    async fn dead_letters(&self, queue: &QueueName, skip: usize, limit: usize) -> Result<Vec<DeadLetter>> {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let context = "listing dead letters";
        let rows = self.within(context, async {
            let mut connection = self.connection(context).await?;
            let rows = DB::dead(&mut connection, queue.as_str(), count(limit), count(skip)).await;
            connection.done(rows.map_err(sql_error(context))?)
        });
        Ok(rows.await?.into_iter().filter_map(DeadRow::open).collect())
    }

    async fn replay(&self, queue: &QueueName, id: &MessageId) -> Result<Replay> {
        let context = "replaying a dead letter";
        let replayed = self.within(context, async {
            let mut connection = self.connection(context).await?;
            let now = self.now_ms(&mut connection).await?;
            let replayed = DB::replay(&mut connection, queue.as_str(), id.as_str(), now).await;
            connection.done((replayed.map_err(sql_error(context))?, now))
        });
        let (replayed, now) = replayed.await?;
        if replayed == 0 {
            return Ok(Replay::NotFound);
        }
        self.hub.offer(queue, now.unsigned_abs());
        Ok(Replay::Replayed)
    }

    async fn purge(&self, queue: &QueueName, id: Option<&MessageId>) -> Result<u64> {
        let context = "purging dead letters";
        self.within(context, async {
            let mut connection = self.connection(context).await?;
            let purged = DB::purge(&mut connection, queue.as_str(), id.map(MessageId::as_str)).await;
            connection.done(purged.map_err(sql_error(context))?)
        })
        .await
    }

    async fn stats(&self, queue: &QueueName) -> Result<QueueStats> {
        let context = "counting messages";
        let counts = self.within(context, async {
            let mut connection = self.connection(context).await?;
            let now = self.now_ms(&mut connection).await?;
            let counts = DB::stats(&mut connection, queue.as_str(), now).await;
            connection.done((counts.map_err(sql_error(context))?, now))
        });
        let (counts, now) = counts.await?;
        Ok(statistics(counts, now))
    }

    async fn peek(&self, queue: &QueueName, limit: usize) -> Result<Vec<Pending>> {
        let context = "looking into a queue";
        let limit = i64::try_from(limit.min(MOST_PEEKED)).unwrap_or(i64::MAX);
        let rows = self.within(context, async {
            let mut connection = self.connection(context).await?;
            let now = self.now_ms(&mut connection).await?;
            let rows = DB::peek(&mut connection, queue.as_str(), now, limit).await;
            connection.done(rows.map_err(sql_error(context))?)
        });
        let pending = |(id, at): (String, i64)| Ok(Pending::new(MessageId::new(id)?, from_ms(at.unsigned_abs())));
        rows.await?.into_iter().map(pending).collect()
    }

    async fn queues(&self) -> Result<Vec<QueueName>> {
        let context = "looking for queues";
        let names = self.within(context, async {
            let mut connection = self.connection(context).await?;
            let names = DB::queues(&mut connection).await;
            connection.done(names.map_err(sql_error(context))?)
        });
        let mut names = names.await?.into_iter().map(QueueName::new).collect::<Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    fn wakeups(&self, queue: &QueueName) -> Wakeups {
        self.hub.subscribe(queue)
    }

    fn poll_interval(&self) -> Duration {
        Duration::from_millis(100)
    }
}

impl<DB: SqlDatabase> SqlDelayQueue<DB> {
    async fn take(
        &self,
        connection: &mut DB::Connection,
        queue: &QueueName,
        max: usize,
        now: i64,
        lease: Duration,
    ) -> Result<Vec<Delivery>> {
        let token = LeaseToken::random();
        let claim = Claim {
            queue: queue.as_str(),
            now,
            limit: i64::try_from(max).unwrap_or(i64::MAX),
            end: now.saturating_add(as_i64(lease_ms(lease))),
            token: &token.to_string(),
        };
        let mut rows = DB::claim(connection, claim).await.map_err(sql_error("claiming messages"))?;
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
            let _ = bury::<DB>(connection, queue, &corrupt, now).await?;
        }
        Ok(deliveries)
    }
}

/// Carries out requests, in the order of which it tells what became of them.
async fn settle<'a, DB: SqlDatabase, R: Serialize + Send + Sync>(
    connection: &mut DB::Connection,
    settling: Settling,
    queue: &QueueName,
    rows: impl IntoIterator<Item = (&'a Receipt, R)> + Send,
    time: Option<i64>,
) -> Result<Vec<Settled>> {
    let (receipts, rows): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    let mut results = Vec::with_capacity(receipts.len());
    while results.len() < receipts.len() {
        let start = results.len();
        // The statements answer with ids, so each id may occur once: an old receipt of a message beside its new one
        // goes into the next statement.
        let mut seen = HashSet::new();
        let batch = receipts[start..].iter().take(BATCH).take_while(|receipt| seen.insert(&receipt.id)).count();
        let end = start + batch;
        let touched = DB::settle(connection, settling, queue.as_str(), &json(&&rows[start..end])?, time)
            .await
            .map_err(sql_error(settling.context()))?;
        let touched: HashSet<String> = touched.into_iter().collect();
        results.extend(receipts[start..end].iter().map(|receipt| match touched.contains(receipt.id.as_str()) {
            true => Settled::Done,
            false => Settled::Stale,
        }));
    }
    Ok(results)
}

async fn bury<DB: SqlDatabase>(
    connection: &mut DB::Connection,
    queue: &QueueName,
    requests: &[Bury],
    now: i64,
) -> Result<Vec<Settled>> {
    let mut rows = Vec::with_capacity(requests.len());
    for Bury { receipt, reason, error } in requests {
        rows.push((receipt, (&receipt.id, receipt.token.to_string(), json(reason)?, storable(error))));
    }
    settle::<DB, _>(connection, Settling::Bury, queue, rows, Some(now)).await
}

/// PostgreSQL has no text with a NUL in it.
fn storable(error: &Option<String>) -> Option<Cow<'_, str>> {
    error.as_deref().map(|error| match error.contains('\0') {
        true => Cow::Owned(error.replace('\0', "\u{fffd}")),
        false => Cow::Borrowed(error),
    })
}

impl Settling {
    const fn context(self) -> &'static str {
        match self {
            Self::Ack => "acknowledging messages",
            Self::Retry => "giving messages back",
            Self::Extend => "extending leases",
            Self::Bury => "burying messages",
        }
    }
}

async fn next_ms<DB: SqlDatabase>(connection: &mut DB::Connection, queue: &QueueName) -> Result<Option<i64>> {
    DB::next(connection, queue.as_str()).await.map_err(sql_error("looking for due messages"))
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
