//! What the broker has pushed of one queue, and the leases on it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, SystemTime},
};

use lapin::Acker;
use tokio::time::Instant;

use super::wire::Copy;
use crate::{
    Delivery, LeaseToken, LedgerRecord, MessageId, Receipt,
    clock::{duration_ms, floor_ms, from_ms},
};

/// How long a copy may take that is written before a suspicious message is handed out.
const RENEWAL: Duration = Duration::from_secs(1);

/// A copy in this process's hands, not acknowledged to the broker.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) copy: Copy,
    pub(super) acker: Acker,
}

#[derive(Debug)]
struct Leased {
    entry: Entry,
    until: Instant,
}

/// Everything about one queue that this process holds. When the channel is lost, the broker gives it all to somebody
/// else, so that nothing of it means anything any more.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// Claimable, by priority, due time, and order of arrival.
    ready: BTreeMap<(u8, u64, u64), Entry>,
    /// Waits for the rest of its delay.
    holding: BTreeMap<(Instant, u64), Entry>,
    /// Claimable, but somebody who held it vanished. Before it is handed out, a copy is written that counts the attempt:
    /// no more of them at a time than are asked for, so that what kills processes is told from what waits beside it.
    suspects: BTreeMap<(u8, u64, u64), Entry>,
    /// Those copies that have not come back yet, and how long they are waited for.
    renewed: HashMap<MessageId, Instant>,
    leases: HashMap<u128, Leased>,
    ends: BTreeSet<(Instant, u128)>,
    sequence: u64,
    /// Which channel all this came on.
    epoch: u64,
}

impl Inbox {
    /// Forgets everything, and takes in only what arrives in the epoch that it returns: what was on its way to us on
    /// another channel, the broker gives to somebody else.
    pub(super) fn begin(&mut self) -> u64 {
        *self = Self { sequence: self.sequence, epoch: self.epoch + 1, ..Self::default() };
        self.epoch
    }

    pub(super) fn takes_in(&self, epoch: u64) -> bool {
        epoch == self.epoch
    }

    /// Takes in what arrived; returns from when it can be claimed.
    pub(super) fn arrive(&mut self, entry: Entry, epoch: u64, now: Instant) -> Option<Instant> {
        if !self.takes_in(epoch) {
            return None;
        }
        let until = now + Duration::from_millis(entry.copy.hold_ms);
        if until > now {
            let sequence = self.next();
            self.holding.insert((until, sequence), entry);
        } else {
            self.make_ready(entry);
        }
        Some(until)
    }

    /// Leases up to `max` messages. Also returns those whose next attempt must be written down before it begins: they
    /// were in the hands of somebody who vanished, perhaps because of them.
    pub(super) fn claim(
        &mut self,
        max: usize,
        lease: Duration,
        now: Instant,
        wall: SystemTime,
    ) -> (Vec<Delivery>, Vec<Entry>) {
        self.settle_time(now, wall);
        let wall = floor_ms(wall);
        self.renewed.retain(|_, until| *until > now);
        let mut suspects = Vec::new();
        while self.renewed.len() < max
            && let Some((_, entry)) = self.suspects.pop_first()
        {
            self.renewed.insert(entry.copy.message.id.clone(), now + RENEWAL);
            suspects.push(entry);
        }
        let mut deliveries = Vec::with_capacity(max.min(self.ready.len()));
        while deliveries.len() < max
            && let Some((_, mut entry)) = self.ready.pop_first()
        {
            let token = LeaseToken::random();
            if std::mem::take(&mut entry.copy.charged) {
                self.renewed.remove(&entry.copy.message.id);
            } else {
                entry.copy.attempts = entry.copy.attempts.saturating_add(1);
            }
            let late = |ms: u64| Duration::from_millis(wall.saturating_sub(ms));
            let delivery =
                Delivery::new(entry.copy.message.clone(), token, entry.copy.attempts, from_ms(entry.copy.due_ms));
            deliveries.push(delivery.with_lateness(late(entry.copy.at_ms), late(entry.copy.due_ms)));
            let until = now + lease;
            self.ends.insert((until, token.as_u128()));
            self.leases.insert(token.as_u128(), Leased { entry, until });
        }
        (deliveries, suspects)
    }

    /// From when something can be claimed.
    pub(super) fn head(&self, now: Instant) -> Option<Instant> {
        if !self.ready.is_empty() || !self.suspects.is_empty() && self.renewed.is_empty() {
            return Some(now);
        }
        let held = self.holding.keys().next().map(|(until, _)| *until);
        let renewed = self.renewed.values().min().copied().filter(|_| !self.suspects.is_empty());
        held.into_iter().chain(renewed).chain(self.ends.first().map(|(until, _)| *until)).min()
    }

    /// What is leased to this receipt. The lease is kept from ending for `grace`, so that a settlement is not overtaken.
    pub(super) fn held(&mut self, receipt: &Receipt, now: Instant, grace: Duration) -> Option<Entry> {
        let until = self.leases.get(&receipt.token.as_u128())?.until.max(now + grace);
        self.extend(receipt, until).then(|| self.leases[&receipt.token.as_u128()].entry.clone())
    }

    /// What is leased to this receipt.
    pub(super) fn leased_to(&self, receipt: &Receipt) -> Option<&Copy> {
        self.leases.get(&receipt.token.as_u128()).map(|leased| &leased.entry.copy)
    }

    /// Notes what the ledger has of a message.
    pub(super) fn recorded(&mut self, receipt: &Receipt, record: Option<LedgerRecord>) {
        if let Some(leased) = self.leases.get_mut(&receipt.token.as_u128()) {
            leased.entry.copy.record = record;
        }
    }

    /// Undoes a lease, and the attempt with it.
    pub(super) fn unlease(&mut self, receipt: &Receipt) {
        if let Some(mut entry) = self.take(receipt) {
            entry.copy.charged = true;
            self.make_ready(entry);
        }
    }

    /// Ends a lease; returns what was leased.
    pub(super) fn take(&mut self, receipt: &Receipt) -> Option<Entry> {
        let token = receipt.token.as_u128();
        if self.leases.get(&token)?.entry.copy.message.id != receipt.id {
            return None;
        }
        let leased = self.leases.remove(&token)?;
        self.ends.remove(&(leased.until, token));
        Some(leased.entry)
    }

    pub(super) fn extend(&mut self, receipt: &Receipt, until: Instant) -> bool {
        let token = receipt.token.as_u128();
        match self.leases.get_mut(&token) {
            Some(leased) if leased.entry.copy.message.id == receipt.id => {
                self.ends.remove(&(leased.until, token));
                leased.until = until;
                self.ends.insert((until, token));
                true
            }
            _ => false,
        }
    }

    /// Takes out all that nobody has a lease on, with what is left of its delay in milliseconds.
    pub(super) fn give_up(&mut self, now: Instant, wall: SystemTime) -> Vec<(Entry, u64)> {
        self.settle_time(now, wall);
        let ready =
            std::mem::take(&mut self.ready).into_values().chain(std::mem::take(&mut self.suspects).into_values());
        let holding = std::mem::take(&mut self.holding).into_iter();
        let holding = holding.map(|((until, _), entry)| (entry, duration_ms(until.duration_since(now))));
        ready.map(|entry| (entry, 0)).chain(holding).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unleased() == 0 && self.leases.is_empty()
    }

    pub(super) fn unleased(&self) -> usize {
        self.waiting() + self.holding.len()
    }

    /// How many a claim would find now.
    pub(super) fn claimable(&self) -> usize {
        if self.renewed.is_empty() { self.waiting() } else { self.ready.len() }
    }

    fn waiting(&self) -> usize {
        self.ready.len() + self.suspects.len()
    }

    /// How many are claimable, still held back, and leased, and since when (by the wall clock) the oldest is claimable.
    pub(super) fn counts(&mut self, now: Instant, wall: SystemTime) -> (u64, u64, u64, Option<u64>) {
        self.settle_time(now, wall);
        let oldest = self.ready.values().chain(self.suspects.values()).map(|entry| entry.copy.at_ms).min();
        (self.waiting() as u64, self.holding.len() as u64, self.leases.len() as u64, oldest)
    }

    pub(super) fn leased(&self) -> usize {
        self.leases.len()
    }

    /// Moves to the claimable what has waited long enough, and what was leased to somebody who has not been heard of.
    fn settle_time(&mut self, now: Instant, wall: SystemTime) {
        while let Some(first) = self.holding.first_entry()
            && first.key().0 <= now
        {
            let entry = first.remove();
            self.make_ready(entry);
        }
        while let Some((until, token)) = self.ends.first().copied()
            && until <= now
        {
            self.ends.pop_first();
            if let Some(mut leased) = self.leases.remove(&token) {
                let ago = u64::try_from(now.duration_since(until).as_millis()).unwrap_or(u64::MAX);
                leased.entry.copy.at_ms = floor_ms(wall).saturating_sub(ago);
                self.make_ready(leased.entry);
            }
        }
    }

    fn make_ready(&mut self, entry: Entry) {
        let sequence = self.next();
        let place = if entry.copy.returned > 0 { &mut self.suspects } else { &mut self.ready };
        place.insert((entry.copy.message.priority.rank(), entry.copy.at_ms, sequence), entry);
    }

    fn next(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }
}

#[cfg(test)]
mod tests {
    use lapin::message::Delivery as Pushed;

    use super::*;
    use crate::RawMessage;

    fn entry(hold_ms: u64) -> Entry {
        let message = RawMessage::new(MessageId::random(), "1");
        let copy = Copy { hold_ms, ..Copy::first(message, SystemTime::now()) };
        Entry { copy, acker: Pushed::mock(1, "".into(), "".into(), false, Vec::new()).acker }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_given_up_keeps_the_rest_of_its_delay() {
        let (mut inbox, now) = (Inbox::default(), Instant::now());
        let epoch = inbox.begin();
        assert_eq!(inbox.arrive(entry(0), epoch, now), Some(now));
        assert_eq!(inbox.arrive(entry(20), epoch, now), Some(now + Duration::from_millis(20)));
        let later = now + Duration::from_micros(4500);
        let rests: Vec<_> = inbox.give_up(later, SystemTime::now()).into_iter().map(|(_, rest)| rest).collect();
        assert_eq!(rests, [0, 16], "rounded up");
        assert!(inbox.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_on_a_lost_channel_is_not_taken_in() {
        let (mut inbox, now) = (Inbox::default(), Instant::now());
        let before = inbox.begin();
        let _ = inbox.arrive(entry(0), before, now);
        let after = inbox.begin();
        assert_eq!(inbox.arrive(entry(0), before, now), None);
        assert!(inbox.is_empty());
        assert!(inbox.arrive(entry(0), after, now).is_some());
    }
}
