//! The backend's operations with a ledger: what is asked of it before and after the broker.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    RabbitDelayQueue, delay_ms,
    feed::Feed,
    inbox::Entry,
    index::{Candidate, Entered, Held, Index, Moved, Verdict, random},
    publisher::Way,
    topology,
    wire::{Copy, Mark},
};
use crate::{
    Claimed, Delivery, Error, ErrorKind, LedgerContent, LedgerRecord, MessageId, QueueName, QueueStats, RawMessage,
    Receipt, Reschedule, Result, Schedule, SendOutcome, Settled,
    clock::{duration_ms, floor_ms},
};

/// What the ledger has for due may still be on its last step to us: how long it is not asked for again.
const NEARLY: Duration = Duration::from_millis(20);

impl RabbitDelayQueue {
    /// Takes the ids, publishes, and only then says that the messages are there.
    pub(super) async fn send_indexed(
        &self,
        index: &Index,
        queue: &QueueName,
        messages: Vec<RawMessage>,
    ) -> Result<Vec<SendOutcome>> {
        let queue = self.destination(queue)?;
        let now = self.publisher.clock.now();
        let delays: Vec<u64> = messages.iter().map(|message| delay_ms(message.schedule, now)).collect();
        let copies: Vec<Copy> = messages.into_iter().map(|message| Copy::first(message, now)).collect();
        let entered = index.enter(&queue, &copies, &delays).await?;
        let (mut outcomes, mut publish) = (Vec::with_capacity(copies.len()), Vec::new());
        let (mut ids, mut sent) = (Vec::new(), Vec::new());
        for ((mut copy, entered), delay) in copies.into_iter().zip(entered).zip(delays) {
            let id = copy.message.id.clone();
            match entered {
                Entered::Publish(mark, record) => {
                    copy.mark = Some(mark);
                    ids.push(id.clone());
                    sent.push((mark, record));
                    publish.push((copy, Way::Delay(delay)));
                    outcomes.push(SendOutcome::Accepted(id));
                }
                Entered::Duplicate => outcomes.push(SendOutcome::Duplicate(id)),
            }
        }
        if !publish.is_empty() {
            self.publisher.publish(&queue, publish).await?;
            index.confirm(&queue, &ids, sent).await?;
        }
        Ok(outcomes)
    }

    pub(super) async fn reschedule_indexed(
        &self,
        index: &Index,
        queue: &QueueName,
        id: &MessageId,
        schedule: Schedule,
    ) -> Result<Reschedule> {
        let queue = self.destination(queue)?;
        let now = self.publisher.clock.now();
        let delay = delay_ms(schedule, now);
        let mark = match index.reschedule(&queue, id, delay).await? {
            Moved::NotFound => return Ok(Reschedule::NotFound),
            Moved::Noted => {
                // Its copy may be here already, and a worker asleep.
                self.hub.notify(&queue);
                return Ok(Reschedule::Rescheduled);
            }
            Moved::Publish(mark) => mark,
        };
        // Without content, somebody has taken it meanwhile, or it is due anyway.
        if let Some(content) = index.ledger.content(&queue, id).await? {
            let mut copy = Copy::from_content(id.clone(), &content).map_err(|error| {
                Error::new(ErrorKind::Corrupt, "a message in the ledger is not understood").with_source(error)
            })?;
            copy.due_ms = floor_ms(now).saturating_add(delay);
            copy.at_ms = copy.due_ms;
            copy.mark = Some(mark);
            self.publisher.publish(&queue, vec![(copy, Way::Delay(delay))]).await?;
            index.moved(&queue, id, mark).await?;
        }
        Ok(Reschedule::Rescheduled)
    }

    pub(super) async fn claim_indexed(
        &self,
        index: &Index,
        queue: &QueueName,
        max: usize,
        lease: Duration,
    ) -> Result<Claimed> {
        let feed = self.feed(queue)?;
        let queue = self.destination(queue)?;
        loop {
            let (found, head) = feed.claim(max, lease).await?;
            let any = !found.is_empty();
            let deliveries = self.judge(index, &feed, &queue, found, lease).await?;
            if any && deliveries.is_empty() {
                continue;
            }
            let (now, next) = match index.ledger.next(&queue).await {
                // What is leased is handed out, whatever comes next.
                Err(_) if any => (0, Some(0)),
                next => next?,
            };
            let next = next.map(|next| Duration::from_millis(next.saturating_sub(now)));
            let next = if deliveries.is_empty() { next.map(|next| next.max(NEARLY)) } else { next };
            return Ok(Claimed::new(deliveries, next.into_iter().chain(head).min()));
        }
    }

    /// Lets the ledger say what may be handed out of what is leased here. What may not is not leased any more.
    async fn judge(
        &self,
        index: &Index,
        feed: &Arc<Feed>,
        queue: &QueueName,
        found: Vec<Delivery>,
        lease: Duration,
    ) -> Result<Vec<Delivery>> {
        // The second copy of a message is judged when the first has been.
        let mut undo = Undo { feed, receipts: found.iter().map(Delivery::receipt).collect() };
        let (mut met, mut candidates) = (HashSet::new(), Vec::new());
        let asked = found.into_iter().filter(|delivery| met.insert(delivery.message.id.clone()));
        let mut judged = Vec::new();
        let mut unknown = Vec::new();
        {
            let inbox = feed.inbox.lock();
            for delivery in asked {
                let receipt = delivery.receipt();
                match inbox.leased_to(&receipt).map(|copy| (copy.mark, copy.content())) {
                    Some((Some(mark), content)) => {
                        let content = LedgerContent::Set(content?);
                        candidates.push(Candidate { receipt, mark, content });
                        judged.push(delivery);
                    }
                    // Sent by somebody without a ledger.
                    Some((None, _)) => unknown.push(delivery),
                    // The channel was lost just now.
                    None => {}
                }
            }
        }
        let verdicts = index.take(queue, &candidates, duration_ms(lease)).await?;
        let keep = unknown.iter().map(Delivery::receipt).collect::<HashSet<_>>();
        undo.receipts.retain(|receipt| !keep.contains(receipt));
        let mut deliveries = unknown;
        self.heed(feed, &mut undo, &mut deliveries, judged.into_iter().zip(verdicts));
        deliveries.sort_by_key(|delivery| delivery.message.priority.rank());
        Ok(deliveries)
    }

    /// Does what the ledger said.
    fn heed(
        &self,
        feed: &Arc<Feed>,
        undo: &mut Undo<'_>,
        deliveries: &mut Vec<Delivery>,
        judged: impl Iterator<Item = (Delivery, (Verdict, Option<LedgerRecord>))>,
    ) {
        let mut inbox = feed.inbox.lock();
        for (delivery, (verdict, record)) in judged {
            let receipt = delivery.receipt();
            undo.receipts.retain(|other| *other != receipt);
            match verdict {
                Verdict::Take => {
                    inbox.recorded(&receipt, record);
                    deliveries.push(delivery);
                }
                // If it is not acknowledged, it comes again and is dropped again.
                Verdict::Drop => inbox.take(&receipt).into_iter().for_each(|entry| feed.dismiss(entry)),
                Verdict::NotYet { moves, rest_ms } => {
                    if let Some(mut entry) = inbox.take(&receipt) {
                        let copy = &mut entry.copy;
                        copy.attempts = copy.attempts.saturating_sub(1);
                        copy.due_ms = floor_ms(self.publisher.clock.now()).saturating_add(rest_ms);
                        copy.at_ms = copy.due_ms;
                        copy.mark = copy.mark.map(|mark| Mark { moves, ..mark });
                        feed.pass_on(entry, Way::Delay(rest_ms));
                    }
                }
            }
        }
    }

    /// The ledger counts what lives, the broker what is dead.
    pub(super) async fn stats_indexed(&self, index: &Index, queue: &QueueName) -> Result<QueueStats> {
        let counts = index.ledger.counts(queue).await?;
        self.publisher.ensure(queue, Instant::now() + self.publisher.timeout).await?;
        let (deadline, channel) = self.aside().await?;
        let counting = async { Ok(topology::dead(&channel, &self.publisher.names, queue).await?.message_count()) };
        let dead = self.bounded(&channel, deadline, counting).await?;
        Ok(QueueStats { dead: u64::from(dead), ..counts })
    }

    /// Leases of this process, as the ledger has to be asked about them; `None` for what it does not know or is not held.
    pub(super) fn held(entry: Option<&Entry>, receipt: &Receipt) -> Option<Held> {
        let copy = &entry?.copy;
        Some(Held { receipt: receipt.clone(), mark: copy.mark?, record: copy.record.clone() })
    }

    /// The ledger decides: what it has for done does not come again, whatever becomes of the broker's acknowledgement.
    pub(super) async fn ack_indexed(
        &self,
        index: &Index,
        queue: &QueueName,
        receipts: &[Receipt],
    ) -> Result<Vec<Settled>> {
        let feed = self.feed(queue)?;
        let entries = entries(&feed, receipts, self.publisher.timeout);
        let held: Vec<_> =
            entries.iter().zip(receipts).map(|(entry, receipt)| Self::held(entry.as_ref(), receipt)).collect();
        let known: Vec<Held> = held.iter().flatten().cloned().collect();
        let verdicts = match known.is_empty() {
            true => Vec::new(),
            false => index.ack(&self.destination(queue)?, known).await?,
        };
        let taken: Vec<_> = {
            let mut inbox = feed.inbox.lock();
            receipts.iter().map(|receipt| inbox.take(receipt)).collect()
        };
        let settled = self.acknowledge(taken).await;
        let mut verdicts = verdicts.into_iter();
        Ok(settled
            .into_iter()
            .zip(held)
            .map(|(settled, held)| match held {
                Some(_) => verdicts.next().unwrap_or(settled),
                None => settled,
            })
            .collect())
    }

    pub(super) async fn extend_indexed(
        &self,
        index: &Index,
        queue: &QueueName,
        receipts: &[Receipt],
        lease: Duration,
    ) -> Result<Vec<Settled>> {
        let feed = self.feed(queue)?;
        let held: Vec<_> = {
            let inbox = feed.inbox.lock();
            let copies = receipts.iter().map(|receipt| (receipt, inbox.leased_to(receipt)));
            let held = copies.map(|(receipt, copy)| {
                let copy = copy?;
                Some(Held { receipt: receipt.clone(), mark: copy.mark?, record: None })
            });
            held.collect()
        };
        let known: Vec<Held> = held.iter().flatten().cloned().collect();
        let mut verdicts = match known.is_empty() {
            true => Vec::new(),
            false => index.extend(&self.destination(queue)?, known, duration_ms(lease)).await?,
        }
        .into_iter();
        let until = Instant::now() + lease;
        let mut inbox = feed.inbox.lock();
        let mut settled = Vec::with_capacity(receipts.len());
        for (receipt, held) in receipts.iter().zip(held) {
            let verdict = held.map_or(Some(Settled::Done), |_| verdicts.next());
            // The ledger's record has changed under the one that we noted.
            inbox.recorded(receipt, None);
            let lasts = verdict == Some(Settled::Done) && inbox.extend(receipt, until);
            settled.push(if lasts { Settled::Done } else { Settled::Stale });
        }
        drop(inbox);
        feed.offer(until);
        Ok(settled)
    }
}

/// What is leased to receipts. The leases are kept from ending for a while.
pub(super) fn entries(feed: &Feed, receipts: &[Receipt], grace: Duration) -> Vec<Option<Entry>> {
    let (mut inbox, now) = (feed.inbox.lock(), Instant::now());
    let held = receipts.iter().map(|receipt| {
        let entry = inbox.held(receipt, now, grace)?;
        (entry.copy.message.id == receipt.id).then_some(entry)
    });
    held.collect()
}

/// A mark for the first copy of another life.
pub(super) fn reborn() -> Mark {
    Mark { life: random(), copy: random(), moves: 0 }
}

/// Gives back what was leased here and not in the ledger, however the judging ends.
struct Undo<'a> {
    feed: &'a Feed,
    receipts: Vec<Receipt>,
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        let mut inbox = self.feed.inbox.lock();
        self.receipts.iter().for_each(|receipt| inbox.unlease(receipt));
    }
}
