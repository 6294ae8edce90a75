//! Handing messages out under leases.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use lapin::options::BasicAckOptions;
use tokio::time::Instant;

use super::{
    RabbitDelayQueue,
    inbox::Entry,
    publisher::Way,
    topology,
    wire::{Copy, Death},
};
use crate::{
    Bury, Claimed, DeadLetter, DelayQueueConsumer, MessageId, Priority, QueueName, QueueStats, Receipt, Replay, Result,
    Retry, Settled, Wakeups,
    clock::{duration_ms, floor_ms},
};

#[async_trait]
impl DelayQueueConsumer for RabbitDelayQueue {
    async fn claim(&self, queue: &QueueName, max: usize, lease: Duration) -> Result<Claimed> {
        let (deliveries, next) = self.feed(queue)?.claim(max, lease).await?;
        Ok(Claimed::new(deliveries, next))
    }

    async fn ack(&self, queue: &QueueName, receipts: &[Receipt]) -> Result<Vec<Settled>> {
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
            (copy, Way::Delay(after))
        };
        self.move_on(queue, requests, |request| &request.receipt, again).await
    }

    async fn extend(&self, queue: &QueueName, receipts: &[Receipt], lease: Duration) -> Result<Vec<Settled>> {
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
        Ok(QueueStats::new(claimable + waiting, held, leased, dead, Duration::from_millis(late)))
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
        let (mut copies, mut kept) = (Vec::new(), Vec::new());
        {
            let (mut inbox, now) = (feed.inbox.lock(), Instant::now());
            for request in requests {
                // Whoever overtakes us while we publish would only make a second copy; the lease outlasts that.
                let entry = inbox.held(receipt(request), now, self.publisher.timeout);
                kept.push(entry.is_some());
                copies.extend(entry.map(|entry| change(request, entry.copy)));
            }
        }
        if !copies.is_empty() {
            self.publisher.publish(&self.destination(queue)?, copies).await?;
        }
        let entries: Vec<_> = {
            let mut inbox = feed.inbox.lock();
            requests.iter().zip(kept).map(|(request, kept)| kept.then(|| inbox.take(receipt(request)))?).collect()
        };
        Ok(self.acknowledge(entries).await)
    }

    async fn acknowledge(&self, entries: Vec<Option<Entry>>) -> Vec<Settled> {
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
