//! Dead letters: looked at by taking them out, and giving them back in their order.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use lapin::{
    Channel,
    message::BasicGetMessage,
    options::{BasicAckOptions, BasicGetOptions, BasicNackOptions, QueuePurgeOptions},
    types::ShortString,
};
use tokio::{
    sync::MutexGuard,
    time::{Instant, sleep, timeout_at},
};

use super::{
    RabbitDelayQueue,
    error::amqp_error,
    indexed::reborn,
    names::{Names, short},
    publisher::Way,
    topology,
    wire::{Copy, salvage},
};
use crate::{
    DeadLetter, DeadReason, Error, ErrorKind, MessageId, QueueName, Replay, Result,
    clock::{floor_ms, from_ms},
};

/// A queue that was declared this moment may not have started; reading it again does no harm.
const START: Duration = Duration::from_millis(100);

impl RabbitDelayQueue {
    pub(super) async fn list_dead(&self, queue: &QueueName, skip: usize, limit: usize) -> Result<Vec<DeadLetter>> {
        let until = Instant::now() + self.publisher.timeout;
        loop {
            match self.read_dead(queue, skip, limit).await {
                Err(error) if error.kind() == ErrorKind::Unavailable && Instant::now() + START < until => {
                    sleep(START).await;
                }
                result => return result,
            }
        }
    }

    async fn read_dead(&self, queue: &QueueName, skip: usize, limit: usize) -> Result<Vec<DeadLetter>> {
        let mut letters = Vec::new();
        if limit == 0 {
            return Ok(letters);
        }
        let (deadline, channel) = self.aside().await?;
        let work = async {
            let mut reader = Reader::open(self, &channel, queue).await?;
            let mut place = 0;
            while place < skip.saturating_add(limit)
                && let Some(message) = reader.next().await?
            {
                if place >= skip {
                    letters.push(open(&message, self.publisher.clock.now()).1);
                }
                place += 1;
            }
            reader.close().await
        };
        self.bounded(&channel, deadline, work).await?;
        Ok(letters)
    }

    pub(super) async fn replay_dead(&self, queue: &QueueName, id: &MessageId) -> Result<Replay> {
        let (deadline, channel) = self.aside().await?;
        let work = async {
            let mut reader = Reader::open(self, &channel, queue).await?;
            let mut replay = Replay::NotFound;
            while let Some(message) = reader.next().await? {
                let (copy, letter) = open(&message, self.publisher.clock.now());
                if letter.message.id != *id {
                    continue;
                }
                let mark = match &self.index {
                    Some(index) => match index.revive(queue, id, copy.mark).await? {
                        None => continue,
                        mark => mark,
                    },
                    None => copy.mark.map(|_| reborn()),
                };
                let now = floor_ms(self.publisher.clock.now());
                let fresh = Copy {
                    due_ms: now,
                    at_ms: now,
                    attempts: 0,
                    charged: false,
                    last_error: None,
                    death: None,
                    mark,
                    ..copy
                };
                self.publisher.publish(queue, vec![(fresh, Way::Delay(0))]).await?;
                if let (Some(index), Some(mark)) = (&self.index, mark) {
                    let _ = index.revived(queue, id, mark).await?;
                }
                reader.remove(&message).await?;
                replay = Replay::Replayed;
                break;
            }
            reader.close().await?;
            Ok(replay)
        };
        self.bounded(&channel, deadline, work).await
    }

    pub(super) async fn purge_dead(&self, queue: &QueueName, id: Option<&MessageId>) -> Result<u64> {
        let (deadline, channel) = self.aside().await?;
        let work = async {
            let mut reader = Reader::open(self, &channel, queue).await?;
            let Some(id) = id else {
                let purge = channel.queue_purge(reader.name, QueuePurgeOptions::default());
                let purged = purge.await.map(u64::from).map_err(amqp_error("purging dead letters"))?;
                if let Some(index) = &self.index {
                    index.ledger.forget_dead(queue).await?;
                }
                return Ok(purged);
            };
            let mut purged = 0;
            while let Some(message) = reader.next().await? {
                if open(&message, self.publisher.clock.now()).1.message.id == *id {
                    reader.remove(&message).await?;
                    purged = 1;
                    break;
                }
            }
            reader.close().await?;
            // After the letter, so that a purge that was interrupted can be repeated.
            if let Some(index) = &self.index {
                index.purged(queue, id).await?;
            }
            Ok(purged)
        };
        self.bounded(&channel, deadline, work).await
    }

    /// A channel for something that must not disturb the others, and the deadline of all that happens on it.
    pub(super) async fn aside(&self) -> Result<(Instant, Channel)> {
        let deadline = Instant::now() + self.publisher.timeout;
        Ok((deadline, self.publisher.side_channel(deadline).await?))
    }

    /// Ends what happens on a side channel, one way or the other. Closing gives back whatever was taken out.
    pub(super) async fn bounded<T>(
        &self,
        channel: &Channel,
        deadline: Instant,
        work: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let result = timeout_at(deadline, work).await;
        let _ =
            timeout_at(deadline.max(Instant::now() + Duration::from_secs(1)), channel.close(200, "done".into())).await;
        result.unwrap_or_else(|_| {
            let text = format!("the broker did not answer within {:?}", self.publisher.timeout);
            Err(Error::new(ErrorKind::Timeout, text))
        })
    }
}

/// Takes dead letters out one by one, the longest dead first. One reader at a time in this process; another process that
/// looks at the same moment sees the rest.
struct Reader<'a> {
    channel: &'a Channel,
    names: &'a Names,
    queue: &'a QueueName,
    name: ShortString,
    last: Option<u64>,
    _alone: MutexGuard<'a, ()>,
}

impl<'a> Reader<'a> {
    async fn open(rabbit: &'a RabbitDelayQueue, channel: &'a Channel, queue: &'a QueueName) -> Result<Self> {
        let alone = rabbit.dead_gate.lock().await;
        let names = &rabbit.publisher.names;
        topology::base(channel, names).await?;
        topology::dead(channel, names, queue).await?;
        Ok(Self { channel, names, queue, name: short(names.dead(queue))?, last: None, _alone: alone })
    }

    async fn next(&mut self) -> Result<Option<BasicGetMessage>> {
        let got = self.channel.basic_get(self.name.clone(), BasicGetOptions::default()).await;
        let message = got.map_err(amqp_error("reading dead letters"))?;
        self.last = message.as_ref().map(|message| message.delivery.delivery_tag).or(self.last);
        Ok(message)
    }

    /// Removes the letter that was read last.
    async fn remove(&mut self, message: &BasicGetMessage) -> Result<()> {
        let ack = message.delivery.acker.ack(BasicAckOptions::default());
        ack.await.map_err(amqp_error("removing a dead letter"))?;
        // A channel counts its deliveries from one.
        self.last = message.delivery.delivery_tag.checked_sub(1).filter(|tag| *tag > 0);
        Ok(())
    }

    /// Gives back what was not acknowledged.
    async fn close(self) -> Result<()> {
        if let Some(last) = self.last {
            let back = BasicNackOptions { multiple: true, requeue: true };
            self.channel.basic_nack(last, back).await.map_err(amqp_error("giving dead letters back"))?;
            // The answer to this comes after they are back.
            topology::dead(self.channel, self.names, self.queue).await?;
        }
        Ok(())
    }
}

fn open(message: &BasicGetMessage, now: SystemTime) -> (Copy, DeadLetter) {
    let message = &message.delivery;
    let body = Bytes::copy_from_slice(&message.data);
    let (mut copy, unknown) = match Copy::parse(&message.properties, body.clone()) {
        // What the broker itself called poison carries no reason of ours.
        Ok(copy) => (copy, DeadReason::Abandoned),
        Err(_) => (Copy::first(salvage(&message.properties, body), now), DeadReason::Undecodable),
    };
    let (reason, died) = match copy.death.take() {
        Some(death) => (death.reason, death.died),
        None => (unknown, from_ms(copy.at_ms)),
    };
    let letter = DeadLetter::new(copy.message.clone(), copy.attempts, reason, copy.last_error.clone(), died);
    (copy, letter)
}
