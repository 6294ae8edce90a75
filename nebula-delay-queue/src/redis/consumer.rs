//! Handing messages out under leases.

use std::time::Duration;

use super::{
    BATCH, RedisDelayQueue, blob,
    keys::Keys,
    lease::{Lease, Names, name},
    protocol, scripts,
};
use crate::{
    Bury, Claimed, DeadLetter, DeadReason, DelayQueueConsumer, Delivery, Error, ErrorKind, MessageId, Pending,
    Priority, QueueName, QueueStats, RawMessage, Receipt, Replay, Result, Retry, Settled, Wakeups,
    clock::{duration_ms, from_ms, lease_ms},
    error::chain,
};
use ::redis::aio::ConnectionLike;
use async_trait::async_trait;
use bytes::Bytes;

/// The server's time, the next due time or -1; of each message since when it could be claimed, its lease, its blob.
type Answer = (u64, i64, Vec<u64>, Vec<String>, Vec<Bytes>);

#[async_trait]
impl<C: ConnectionLike + Clone + Send + Sync + 'static> DelayQueueConsumer for RedisDelayQueue<C> {
    async fn claim(&self, queue: &QueueName, max: usize, lease: Duration) -> Result<Claimed> {
        let Keys { msg, run, lease: leases, due, .. } = &self.keys(queue);
        let random = rand::random::<u64>();
        let call = scripts::CLAIM.key(&[msg, run, leases, &due[0], &due[1], &due[2]]);
        let call = call.arg(max.min(BATCH)).arg(lease_ms(lease)).arg(format!("{random:016x}"));
        let (now, next, since, leases, blobs): Answer = self.invoke("claiming messages", call).await?;
        let mut deliveries = Vec::with_capacity(leases.len());
        let mut corrupt = Vec::new();
        for ((since, name), blob) in since.into_iter().zip(&leases).zip(blobs) {
            let (lease, id) = Lease::parse(name).ok_or_else(|| protocol("claiming messages"))?;
            let (id, token) = (MessageId::new(id)?, lease.token());
            match blob::read(id.clone(), lease.priority(), &blob) {
                Ok(message) => {
                    let late = |ms: u64| Duration::from_millis(now.saturating_sub(ms));
                    let delivery = Delivery::new(message, token, lease.attempts, from_ms(lease.first));
                    deliveries.push(delivery.with_lateness(late(since), late(lease.first)));
                }
                Err(error) => {
                    tracing::error!(%queue, %id, error = chain(&*error), "a stored message is not understood");
                    let error = Some(chain(&*error));
                    corrupt.push(Bury { receipt: Receipt { id, token }, reason: DeadReason::Undecodable, error });
                }
            }
        }
        if !corrupt.is_empty() {
            let _ = self.bury(queue, &corrupt).await?;
        }
        let next_due = u64::try_from(next).ok().map(|next| Duration::from_millis(next.saturating_sub(now)));
        Ok(Claimed::new(deliveries, next_due))
    }

    async fn ack(&self, queue: &QueueName, receipts: &[Receipt]) -> Result<Vec<Settled>> {
        let Keys { msg, run, lease, .. } = &self.keys(queue);
        let mut results = Vec::with_capacity(receipts.len());
        for batch in receipts.chunks(BATCH) {
            let names = Names::of(batch);
            let args: Vec<_> = names.iter().zip(batch).flat_map(|(name, it)| [name, it.id.as_str()]).collect();
            let settled: Vec<u8> = self.run("acknowledging messages", &scripts::ACK, &[msg, run, lease], &args).await?;
            results.extend(settled.into_iter().map(settled_from));
        }
        complete(results, receipts.len())
    }

    async fn retry(&self, queue: &QueueName, requests: &[Retry]) -> Result<Vec<Settled>> {
        let Keys { run, lease, due, channel, .. } = &self.keys(queue);
        let mut results = Vec::with_capacity(requests.len());
        for batch in requests.chunks(BATCH) {
            let mut call = scripts::RETRY.key(&[run, lease, &due[0], &due[1], &due[2]]).arg(channel);
            for Retry { receipt, after, error, counted } in batch {
                call = call.arg(name(receipt)).arg(duration_ms(*after));
                call = call.arg(u8::from(*counted)).arg(error.as_deref().unwrap_or_default());
            }
            let settled: Vec<u8> = self.invoke("giving messages back", call).await?;
            let [woke, settled @ ..] = &settled[..] else { return Err(protocol("giving messages back")) };
            self.woke(queue, *woke == 1);
            results.extend(settled.iter().copied().map(settled_from));
        }
        complete(results, requests.len())
    }

    async fn extend(&self, queue: &QueueName, receipts: &[Receipt], lease: Duration) -> Result<Vec<Settled>> {
        let keys = self.keys(queue);
        let length = lease_ms(lease).to_string();
        let mut results = Vec::with_capacity(receipts.len());
        for batch in receipts.chunks(BATCH) {
            let names = Names::of(batch);
            let args: Vec<_> = std::iter::once(&*length).chain(names.iter()).collect();
            let settled: Vec<u8> = self.run("extending leases", &scripts::EXTEND, &[&keys.lease], &args).await?;
            results.extend(settled.into_iter().map(settled_from));
        }
        complete(results, receipts.len())
    }

    async fn bury(&self, queue: &QueueName, requests: &[Bury]) -> Result<Vec<Settled>> {
        let Keys { run, lease, dead, note, .. } = &self.keys(queue);
        let mut results = Vec::with_capacity(requests.len());
        for batch in requests.chunks(BATCH) {
            let mut call = scripts::BURY.key(&[run, lease, dead, note]);
            for Bury { receipt, reason, error } in batch {
                let reason = serde_json::to_string(reason)
                    .map_err(|error| Error::new(ErrorKind::Codec, "encoding a reason").with_source(error))?;
                call = call.arg(name(receipt)).arg(reason).arg(error.as_deref().unwrap_or_default());
            }
            let settled: Vec<u8> = self.invoke("burying messages", call).await?;
            results.extend(settled.into_iter().map(settled_from));
        }
        complete(results, requests.len())
    }

    async fn dead_letters(&self, queue: &QueueName, skip: usize, limit: usize) -> Result<Vec<DeadLetter>> {
        let Keys { msg, dead, note, .. } = &self.keys(queue);
        let mut letters = Vec::new();
        let mut seen = 0;
        while seen < limit {
            let page = (limit - seen).min(BATCH);
            let call = scripts::DEAD.key(&[msg, dead, note]).arg(skip.saturating_add(seen)).arg(page);
            let rows: Vec<(String, u64, Vec<u8>, Bytes)> = self.invoke("listing dead letters", call).await?;
            let last = rows.len() < page;
            seen += rows.len();
            letters.extend(rows.into_iter().filter_map(|(id, died, note, blob)| letter(&id, died, &note, blob)));
            if last {
                break;
            }
        }
        Ok(letters)
    }

    async fn replay(&self, queue: &QueueName, id: &MessageId) -> Result<Replay> {
        let Keys { dead, note, due, channel, .. } = &self.keys(queue);
        let call = scripts::REPLAY.key(&[dead, note, &due[0], &due[1], &due[2]]).arg(channel).arg(id.as_str());
        let (found, woke) = self.invoke("replaying a dead letter", call).await?;
        self.woke(queue, woke);
        Ok(if found { Replay::Replayed } else { Replay::NotFound })
    }

    async fn purge(&self, queue: &QueueName, id: Option<&MessageId>) -> Result<u64> {
        let Keys { msg, dead, note, .. } = &self.keys(queue);
        let mut total = 0;
        loop {
            let mut call = scripts::PURGE.key(&[msg, dead, note]);
            if let Some(id) = id {
                call = call.arg(id.as_str());
            }
            let purged: u64 = self.invoke("purging dead letters", call).await?;
            total += purged;
            if id.is_some() || purged < BATCH as u64 {
                return Ok(total);
            }
        }
    }

    async fn stats(&self, queue: &QueueName) -> Result<QueueStats> {
        let Keys { lease, dead, due, .. } = &self.keys(queue);
        let call = scripts::STATS.key(&[lease, dead, &due[0], &due[1], &due[2]]);
        let call = call.arg(duration_ms(QueueStats::OVERDUE));
        let (backlog, delayed, leased, dead, oldest, overdue) = self.invoke("counting messages", call).await?;
        Ok(QueueStats::new(backlog, delayed, leased, dead, Duration::from_millis(oldest)).with_overdue(overdue))
    }

    async fn peek(&self, queue: &QueueName, limit: usize) -> Result<Vec<Pending>> {
        self.look(queue, limit).await
    }

    async fn queues(&self) -> Result<Vec<QueueName>> {
        self.names().await
    }

    fn wakeups(&self, queue: &QueueName) -> Wakeups {
        self.wake.subscribe(queue, &self.keys(queue).channel)
    }

    fn poll_interval(&self) -> Duration {
        self.wake.poll_interval()
    }
}

fn settled_from(settled: u8) -> Settled {
    if settled == 1 { Settled::Done } else { Settled::Stale }
}

fn complete(results: Vec<Settled>, requests: usize) -> Result<Vec<Settled>> {
    if results.len() == requests { Ok(results) } else { Err(protocol("settling messages")) }
}

/// `None` for what is too damaged to be shown.
fn letter(id: &str, died: u64, note: &[u8], blob: Bytes) -> Option<DeadLetter> {
    let id = MessageId::new(id).ok()?;
    let note = String::from_utf8_lossy(note);
    let mut parts = note.splitn(4, '|');
    let attempts = parts.next()?.parse().unwrap_or(0);
    let rank = parts.next()?.parse().unwrap_or(1);
    let reason_bytes: usize = parts.next()?.parse().ok()?;
    let (reason, error) = parts.next()?.split_at_checked(reason_bytes)?;
    let message = blob::read(id.clone(), Priority::from_rank(rank), &blob)
        .unwrap_or_else(|_| RawMessage::new(id, blob).with_priority(Priority::from_rank(rank)));
    let reason = serde_json::from_str(reason).unwrap_or(DeadReason::Undecodable);
    let error = (!error.is_empty()).then(|| error.to_owned());
    Some(DeadLetter::new(message, attempts, reason, error, from_ms(died)))
}
