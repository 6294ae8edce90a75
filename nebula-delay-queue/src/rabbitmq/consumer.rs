//! Handing messages out under leases.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use lapin::options::BasicAckOptions;
use tokio::time::Instant;

use super::{
    RabbitDelayQueue,
    inbox::Entry,
    indexed::{entries, reborn},
    publisher::Way,
    settling::Settling,
    topology,
    wire::{Copy, Death},
};
use crate::{
    Bury, Claimed, DeadLetter, DelayQueueConsumer, Error, ErrorKind, MessageId, Pending, Priority, QueueName,
    QueueStats, Receipt, Replay, Result, Retry, Settled, Wakeups,
    clock::{duration_ms, floor_ms},
};

#[async_trait]
impl DelayQueueConsumer for RabbitDelayQueue {
    async fn claim(&self, queue: &QueueName, max: usize, lease: Duration) -> Result<Claimed> {
        if let Some(index) = &self.index {
            return self.claim_indexed(index, queue, max, lease).await;
        }
        let (deliveries, next) = self.feed(queue)?.claim(max, lease).await?;
        Ok(Claimed::new(deliveries, next))
    }

    async fn ack(&self, queue: &QueueName, receipts: &[Receipt]) -> Result<Vec<Settled>> {
        if let Some(index) = &self.index {
            return self.ack_indexed(index, queue, receipts).await;
        }
        let feed = self.feed(queue)?;
        let entries: Vec<_> = {
            let mut inbox = feed.inbox.lock();
            receipts.iter().map(|receipt| inbox.take(receipt)).collect()
        };
        Ok(self.acknowledge(entries).await)
    }

    async fn retry(&self, queue: &QueueName, requests: &[Retry]) -> Result<Vec<Settled>> {
        let now = self.publisher.clock.now();
        let again = |request: &Retry, mut copy: Copy| {
            let after = duration_ms(request.after);
            if request.counted {
                copy.last_error.clone_from(&request.error);
            } else {
                copy.attempts = copy.attempts.saturating_sub(1);
            }
            copy.at_ms = floor_ms(now).saturating_add(after);
            copy.mark = copy.mark.map(|_| reborn());
            (copy, Way::Delay(after))
        };
        self.move_on(queue, requests, |request| &request.receipt, again).await
    }

    async fn extend(&self, queue: &QueueName, receipts: &[Receipt], lease: Duration) -> Result<Vec<Settled>> {
        if let Some(index) = &self.index {
            return self.extend_indexed(index, queue, receipts, lease).await;
        }
        let feed = self.feed(queue)?;
        let until = Instant::now() + lease;
        let mut inbox = feed.inbox.lock();
        let settled = receipts.iter().map(|receipt| settled(inbox.extend(receipt, until))).collect();
        drop(inbox);
        feed.offer(until);
        Ok(settled)
    }

    async fn bury(&self, queue: &QueueName, requests: &[Bury]) -> Result<Vec<Settled>> {
        let died = self.publisher.clock.now();
        let letter = |request: &Bury, mut copy: Copy| {
            if request.error.is_some() {
                copy.last_error.clone_from(&request.error);
            }
            copy.death = Some(Death { reason: request.reason.clone(), died });
            (copy, Way::Dead)
        };
        self.move_on(queue, requests, |request| &request.receipt, letter).await
    }

    async fn dead_letters(&self, queue: &QueueName, skip: usize, limit: usize) -> Result<Vec<DeadLetter>> {
        self.list_dead(&self.destination(queue)?, skip, limit).await
    }

    async fn replay(&self, queue: &QueueName, id: &MessageId) -> Result<Replay> {
        self.replay_dead(&self.destination(queue)?, id).await
    }

    async fn purge(&self, queue: &QueueName, id: Option<&MessageId>) -> Result<u64> {
        self.purge_dead(&self.destination(queue)?, id).await
    }

    async fn stats(&self, queue: &QueueName) -> Result<QueueStats> {
        let name = self.destination(queue)?;
        if let Some(index) = &self.index {
            return self.stats_indexed(index, &name).await;
        }
        let (claimable, held, leased, oldest) = match self.running(&name) {
            Some(feed) => feed.inbox.lock().counts(Instant::now(), self.publisher.clock.now()),
            None => (0, 0, 0, None),
        };
        let deadline = Instant::now() + self.publisher.timeout;
        self.publisher.ensure(&name, deadline).await?;
        let (deadline, channel) = self.aside().await?;
        let counting = async {
            let mut waiting = 0;
            for priority in Priority::ALL {
                let ready = topology::ready_queue(&channel, &self.publisher.names, &name, priority).await?;
                waiting += u64::from(ready.message_count());
            }
            let dead = topology::dead(&channel, &self.publisher.names, &name).await?;
            Ok((waiting, u64::from(dead.message_count())))
        };
        let (waiting, dead) = self.bounded(&channel, deadline, counting).await?;
        let late = oldest.map_or(0, |at| floor_ms(self.publisher.clock.now()).saturating_sub(at));
        let stats = QueueStats::new(claimable + waiting, held, leased, dead, Duration::from_millis(late));
        // What climbs the ladder is nobody's yet, and the broker does not tell how long its messages have been waiting.
        Ok(stats.without_total())
    }

    async fn peek(&self, _: &QueueName, _: usize) -> Result<Vec<Pending>> {
        Err(Error::new(ErrorKind::Unsupported, "a broker shows nobody what waits in its queues: ask a trace store"))
    }

    async fn queues(&self) -> Result<Vec<QueueName>> {
        Err(Error::new(
            ErrorKind::Unsupported,
            "a broker does not tell its clients which queues it has: ask a trace store",
        ))
    }

    fn wakeups(&self, queue: &QueueName) -> Wakeups {
        match self.destination(queue) {
            Ok(name) => self.hub.subscribe(&name),
            Err(_) => Wakeups::never(),
        }
    }
}

impl RabbitDelayQueue {
    /// Publishes what becomes of leased messages, and only then acknowledges what they came in: a crash in between
    /// makes a second copy, never none.
    async fn move_on<R: Sync>(
        &self,
        queue: &QueueName,
        requests: &[R],
        receipt: impl Fn(&R) -> &Receipt + Send + Sync,
        change: impl Fn(&R, Copy) -> (Copy, Way) + Send + Sync,
    ) -> Result<Vec<Settled>> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let feed = self.feed(queue)?;
        let name = self.destination(queue)?;
        let receipts: Vec<Receipt> = requests.iter().map(|request| receipt(request).clone()).collect();
        // Whoever overtakes us while we publish would only make a second copy; the leases outlast that.
        let held = entries(&feed, &receipts, self.publisher.timeout);
        let changed = requests.iter().zip(&held);
        let copies: Vec<_> =
            changed.map(|(request, entry)| Some(change(request, entry.as_ref()?.copy.clone()))).collect();
        let mut settling = Settling::new(self.index.as_ref(), &name, held, receipts, copies)?;
        settling.prepare().await?;
        let copies = settling.copies();
        if !copies.is_empty() {
            self.publisher.publish(&name, copies).await?;
        }
        let kept = settling.commit().await?;
        let entries: Vec<_> = {
            let mut inbox = feed.inbox.lock();
            requests.iter().zip(&kept).map(|(request, kept)| kept.then(|| inbox.take(receipt(request)))?).collect()
        };
        let settled = self.acknowledge(entries).await;
        Ok(settling.result(settled))
    }

    pub(super) async fn acknowledge(&self, entries: Vec<Option<Entry>>) -> Vec<Settled> {
        let acks = entries.into_iter().map(|entry| async move {
            match entry {
                // Not acknowledged means that the channel is gone: the broker delivers the message again.
                Some(entry) => settled(entry.acker.ack(BasicAckOptions::default()).await.unwrap_or(false)),
                None => Settled::Stale,
            }
        });
        join_all(acks).await
    }
}

fn settled(done: bool) -> Settled {
    if done { Settled::Done } else { Settled::Stale }
}
