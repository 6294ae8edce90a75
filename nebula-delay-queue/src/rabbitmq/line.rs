//! A channel that messages come on, and how to ask on it for what lies in the broker's queues.

use std::{collections::BTreeSet, sync::Arc};

use futures_util::future::try_join_all;
use lapin::{
    Channel, ExchangeKind,
    message::BasicGetMessage,
    options::{BasicGetOptions, ExchangeDeclareOptions, QueueDeclareOptions},
    types::FieldTable,
};
use parking_lot::Mutex;
use tokio::{
    sync::Mutex as AsyncMutex,
    time::{Instant, timeout},
};

use super::{error::amqp_error, feed::Feed, names::short};
use crate::{Error, ErrorKind, Priority, Result};

/// As many messages of each priority are asked for at once. The broker takes them out one after the other, and writes
/// each down.
const MOST_AT_ONCE: usize = 16;

/// A channel with consumers.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) channel: Channel,
    pub(super) intake: Intake,
    /// Held by the question that is under way.
    turn: Arc<AsyncMutex<()>>,
}

impl Line {
    pub(super) fn new(channel: Channel, epoch: u64) -> Self {
        Self { channel, intake: Intake { epoch, tags: Arc::default() }, turn: Arc::default() }
    }
}

/// What is to be known of a channel where its messages arrive. Not the channel itself: who is called by it must not keep it.
#[derive(Clone, Debug)]
pub(super) struct Intake {
    pub(super) epoch: u64,
    pub(super) tags: Arc<Mutex<Tags>>,
}

/// Which deliveries have come. A channel numbers them without gaps, and those to a consumer that was cancelled at that
/// moment are thrown away by the driver: the broker confirms the end of a consumer before its queue knows of it.
#[derive(Debug, Default)]
pub(super) struct Tags {
    last: u64,
    missing: BTreeSet<u64>,
    /// A question is under way, whose answers may come after what was pushed later.
    pub(super) asking: bool,
}

impl Tags {
    pub(super) fn saw(&mut self, tag: u64) {
        if tag > self.last {
            self.missing.extend(self.last + 1..tag);
            self.last = tag;
        } else {
            self.missing.remove(&tag);
        }
    }

    /// Those that will not come any more.
    pub(super) fn missed(&mut self) -> BTreeSet<u64> {
        if self.asking { BTreeSet::new() } else { std::mem::take(&mut self.missing) }
    }
}

impl Feed {
    /// Asks for messages, unless there are enough here; one question after the other. Goes on if nobody waits for it any
    /// more: what a queue has given out must not get lost with whoever asked.
    pub(super) async fn look(self: &Arc<Self>, line: Line, max: usize) -> Result<()> {
        let turn = Arc::clone(&line.turn).lock_owned().await;
        let feed = Arc::clone(self);
        let looking = self.runtime.spawn(async move {
            line.intake.tags.lock().asking = true;
            let result = feed.ask(&line, max).await;
            line.intake.tags.lock().asking = false;
            if result.is_err() {
                // Whatever was on its way comes back with the channel.
                feed.lose(&line.intake);
            }
            drop(turn);
            result
        });
        let ended = |_| Err(Error::new(ErrorKind::Unavailable, "the runtime that was asking has ended"));
        looking.await.unwrap_or_else(ended)
    }

    /// If nothing is ready at the broker, all that was confirmed before has been pushed to somebody; one more exchange on the
    /// channel makes sure that what was pushed to us has been taken in.
    ///
    /// Each answer has the whole of the deadline, as a busy broker takes its time over many. When they have taken it together, what
    /// has come is enough.
    async fn ask(&self, line: &Line, max: usize) -> Result<()> {
        let until = Instant::now() + self.publisher.timeout;
        loop {
            let missing = max.saturating_sub(self.inbox.lock().claimable());
            if missing == 0 || Instant::now() >= until {
                break;
            }
            // Counting is a look into the broker's memory, taking out a write that has to reach its disk.
            let counts =
                self.answered(try_join_all(Priority::ALL.map(|priority| self.waiting(line, priority)))).await?;
            if counts.iter().all(|count| *count == 0) {
                break;
            }
            let gets = Priority::ALL.into_iter().zip(counts).flat_map(|(priority, count)| {
                let number = count.min(missing).min(MOST_AT_ONCE);
                (0..number).map(move |_| self.get(line, priority))
            });
            for message in self.answered(try_join_all(gets)).await?.into_iter().flatten() {
                self.arrive(&line.intake, message.delivery);
            }
        }
        let options = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
        let exchange = short(self.publisher.names.deliver())?;
        let echo = line.channel.exchange_declare(exchange, ExchangeKind::Topic, options, FieldTable::default());
        self.answered(async { echo.await.map_err(amqp_error(ASKING)) }).await
    }

    /// How many messages a queue has that nobody holds.
    async fn waiting(&self, line: &Line, priority: Priority) -> Result<usize> {
        let queue = short(self.publisher.names.ready(&self.queue, priority))?;
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let found =
            line.channel.queue_declare(queue, options, FieldTable::default()).await.map_err(amqp_error(ASKING))?;
        Ok(usize::try_from(found.message_count()).unwrap_or(usize::MAX))
    }

    async fn get(&self, line: &Line, priority: Priority) -> Result<Option<BasicGetMessage>> {
        let queue = short(self.publisher.names.ready(&self.queue, priority))?;
        line.channel.basic_get(queue, BasicGetOptions::default()).await.map_err(amqp_error(ASKING))
    }

    async fn answered<T>(&self, answer: impl Future<Output = Result<T>>) -> Result<T> {
        let answer = timeout(self.publisher.timeout, answer).await;
        answer.unwrap_or_else(|_| Err(Error::new(ErrorKind::Timeout, ASKING)))
    }
}

const ASKING: &str = "asking for messages";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_missed_once_nobody_asks() {
        let mut tags = Tags::default();
        [1, 2, 5, 4, 8].into_iter().for_each(|tag| tags.saw(tag));
        tags.asking = true;
        assert!(tags.missed().is_empty(), "it may be an answer that is on its way");
        tags.asking = false;
        tags.saw(6);
        assert_eq!(tags.missed(), [3, 7].into());
        assert!(tags.missed().is_empty());
    }
}
