//! One queue: every message in a map, and an index of what can be claimed when.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use crate::{
    Bury, Cancel, Claimed, DeadLetter, DeadReason, Delivery, LeaseToken, MessageId, Pending, Priority, QueueStats,
    RawMessage, Receipt, Replay, Reschedule, Retry, SendOutcome, Settled,
    clock::{from_ms, lease_ms},
    dead::overdue_since,
};

#[derive(Debug, Default)]
pub(super) struct State {
    entries: HashMap<MessageId, Entry>,
    /// Per priority rank, everything that is not dead by the time from which it can be claimed: the due time of a
    /// waiting message, the end of the lease of a claimed one. The sequence number keeps ties in order of arrival.
    index: [BTreeSet<(u64, u64, MessageId)>; 3],
    /// Dead letters in order of death.
    dead: BTreeSet<(u64, MessageId)>,
    next_sequence: u64,
}

#[derive(Debug)]
struct Entry {
    message: RawMessage,
    sequence: u64,
    due_ms: u64,
    claimable_ms: u64,
    attempts: u32,
    lease: Option<LeaseToken>,
    last_error: Option<String>,
    dead: Option<(u64, DeadReason)>,
}

impl State {
    /// When the next message can be claimed.
    pub(super) fn head(&self) -> Option<u64> {
        self.index.iter().filter_map(|rank| rank.first()).map(|(at, ..)| *at).min()
    }

    pub(super) fn insert(&mut self, message: RawMessage, due_ms: u64) -> SendOutcome {
        let id = message.id.clone();
        if self.entries.contains_key(&id) {
            return SendOutcome::Duplicate(id);
        }
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.index_of(message.priority).insert((due_ms, sequence, id.clone()));
        let entry = Entry {
            message,
            sequence,
            due_ms,
            claimable_ms: due_ms,
            attempts: 0,
            lease: None,
            last_error: None,
            dead: None,
        };
        self.entries.insert(id.clone(), entry);
        SendOutcome::Accepted(id)
    }

    pub(super) fn cancel(&mut self, id: &MessageId, now: u64) -> Cancel {
        match self.entries.get(id) {
            Some(entry) if entry.is_waiting(now) => {
                self.remove(id);
                Cancel::Cancelled
            }
            _ => Cancel::NotFound,
        }
    }

    pub(super) fn reschedule(&mut self, id: &MessageId, due_ms: u64, now: u64) -> Reschedule {
        match self.entries.get_mut(id) {
            Some(entry) if entry.is_waiting(now) => {
                entry.due_ms = due_ms;
                entry.lease = None;
                self.move_to(id, due_ms);
                Reschedule::Rescheduled
            }
            _ => Reschedule::NotFound,
        }
    }

    pub(super) fn claim(&mut self, max: usize, lease: Duration, now: u64) -> Claimed {
        let mut ids = Vec::new();
        for rank in &self.index {
            let due = rank.iter().take_while(|(at, ..)| *at <= now).take(max - ids.len());
            ids.extend(due.map(|(.., id)| id.clone()));
        }
        let token = LeaseToken::random();
        let mut deliveries = Vec::with_capacity(ids.len());
        for id in ids {
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            let late = Duration::from_millis(now - entry.claimable_ms);
            let overdue = Duration::from_millis(now.saturating_sub(entry.due_ms));
            entry.attempts = entry.attempts.saturating_add(1);
            entry.lease = Some(token);
            deliveries.push(
                Delivery::new(entry.message.clone(), token, entry.attempts, from_ms(entry.due_ms))
                    .with_lateness(late, overdue),
            );
            self.move_to(&id, now.saturating_add(lease_ms(lease)));
        }
        let next_due = self.head().map(|at| Duration::from_millis(at.saturating_sub(now)));
        Claimed::new(deliveries, next_due)
    }

    pub(super) fn ack(&mut self, receipt: &Receipt) -> Settled {
        if self.held(receipt).is_none() {
            return Settled::Stale;
        }
        self.remove(&receipt.id);
        Settled::Done
    }

    pub(super) fn retry(&mut self, request: &Retry, now: std::time::SystemTime) -> Settled {
        let at = crate::Schedule::After(request.after).due_ms(now);
        let Some(entry) = self.held(&request.receipt) else { return Settled::Stale };
        entry.lease = None;
        if request.counted {
            entry.last_error.clone_from(&request.error);
        } else {
            entry.attempts = entry.attempts.saturating_sub(1);
        }
        self.move_to(&request.receipt.id, at);
        Settled::Done
    }

    pub(super) fn extend(&mut self, receipt: &Receipt, lease: Duration, now: u64) -> Settled {
        if self.held(receipt).is_none() {
            return Settled::Stale;
        }
        self.move_to(&receipt.id, now.saturating_add(lease_ms(lease)));
        Settled::Done
    }

    pub(super) fn bury(&mut self, request: &Bury, now: u64) -> Settled {
        let id = &request.receipt.id;
        let Some(entry) = self.held(&request.receipt) else { return Settled::Stale };
        entry.lease = None;
        entry.dead = Some((now, request.reason.clone()));
        if request.error.is_some() {
            entry.last_error.clone_from(&request.error);
        }
        let key = (entry.claimable_ms, entry.sequence, id.clone());
        let priority = entry.message.priority;
        self.index_of(priority).remove(&key);
        self.dead.insert((now, id.clone()));
        Settled::Done
    }

    pub(super) fn dead_letters(&self, skip: usize, limit: usize) -> Vec<DeadLetter> {
        let letter = |(died, id): &(u64, MessageId)| {
            let entry = self.entries.get(id)?;
            let (_, reason) = entry.dead.clone()?;
            let message = entry.message.clone();
            Some(DeadLetter::new(message, entry.attempts, reason, entry.last_error.clone(), from_ms(*died)))
        };
        self.dead.iter().skip(skip).take(limit).filter_map(letter).collect()
    }

    pub(super) fn replay(&mut self, id: &MessageId, now: u64) -> Replay {
        let Some(entry) = self.entries.get_mut(id) else { return Replay::NotFound };
        let Some((died, _)) = entry.dead.take() else { return Replay::NotFound };
        entry.attempts = 0;
        entry.due_ms = now;
        entry.claimable_ms = now;
        entry.last_error = None;
        let (priority, key) = (entry.message.priority, (now, entry.sequence, id.clone()));
        self.dead.remove(&(died, id.clone()));
        self.index_of(priority).insert(key);
        Replay::Replayed
    }

    pub(super) fn purge(&mut self, id: Option<&MessageId>) -> u64 {
        let doomed: Vec<_> = match id {
            Some(id) => self.dead.iter().filter(|(_, dead)| dead == id).cloned().collect(),
            None => self.dead.iter().cloned().collect(),
        };
        for key in &doomed {
            self.dead.remove(key);
            self.entries.remove(&key.1);
        }
        doomed.len() as u64
    }

    pub(super) fn stats(&self, now: u64) -> QueueStats {
        let (mut backlog, mut overdue, mut delayed, mut leased, mut oldest) = (0, 0, 0, 0, 0);
        for entry in self.entries.values().filter(|entry| entry.dead.is_none()) {
            if entry.claimable_ms <= now {
                backlog += 1;
                overdue += u64::from(entry.claimable_ms <= overdue_since(now));
                oldest = oldest.max(now - entry.claimable_ms);
            } else if entry.lease.is_some() {
                leased += 1;
            } else {
                delayed += 1;
            }
        }
        let dead = self.dead.len() as u64;
        QueueStats::new(backlog, delayed, leased, dead, Duration::from_millis(oldest)).with_overdue(overdue)
    }

    pub(super) fn peek(&self, limit: usize, now: u64) -> Vec<Pending> {
        let waits = |id: &MessageId| self.entries.get(id).is_some_and(|entry| entry.is_waiting(now));
        let of_rank = |rank: &BTreeSet<(u64, u64, MessageId)>| -> Vec<_> {
            rank.iter().filter(|(.., id)| waits(id)).take(limit).cloned().collect()
        };
        let mut found: Vec<_> = self.index.iter().flat_map(of_rank).collect();
        found.sort_unstable();
        found.into_iter().take(limit).map(|(at, _, id)| Pending::new(id, from_ms(at))).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn index_of(&mut self, priority: Priority) -> &mut BTreeSet<(u64, u64, MessageId)> {
        &mut self.index[usize::from(priority.rank())]
    }

    /// The entry, if the receipt's lease is the latest one. A lease that ended but that nobody took over still counts.
    fn held(&mut self, receipt: &Receipt) -> Option<&mut Entry> {
        self.entries.get_mut(&receipt.id).filter(|entry| entry.lease == Some(receipt.token))
    }

    fn move_to(&mut self, id: &MessageId, at: u64) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        let old = (entry.claimable_ms, entry.sequence, id.clone());
        entry.claimable_ms = at;
        let (priority, new) = (entry.message.priority, (at, entry.sequence, id.clone()));
        let index = self.index_of(priority);
        index.remove(&old);
        index.insert(new);
    }

    fn remove(&mut self, id: &MessageId) {
        if let Some(entry) = self.entries.remove(id) {
            self.index_of(entry.message.priority).remove(&(entry.claimable_ms, entry.sequence, id.clone()));
        }
    }
}

impl Entry {
    /// Neither dead nor held under a running lease.
    fn is_waiting(&self, now: u64) -> bool {
        self.dead.is_none() && (self.lease.is_none() || self.claimable_ms <= now)
    }
}
