//! A model of a lock server, written from the contract of `DistributedLock` and independent of the real backends. It
//! knows what it has granted until when, which real servers do not tell.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use nebula_lock::{Attempt, Busy, Claim, Fence, Mode, Owner, Place};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

/// How long a waiter is believed to be alive without being heard of.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Up,
    /// Nothing is answered; what arrives is carried out afterwards.
    Frozen,
    /// Connections are refused.
    Down,
}

/// What those who listen hear of a lock.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    Free,
    HandedOver { owner: Owner, place: u64, fence: u64 },
}

#[derive(Clone, Debug)]
pub(crate) struct Server {
    state: Arc<Mutex<State>>,
    condition: Arc<Mutex<Condition>>,
    /// Wakes in the order of arrival. A `watch` channel would not, and no run could be repeated.
    changed: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    start: Instant,
    locks: BTreeMap<String, Lock>,
    counter: u64,
    /// How far its clock is ahead of the time since the start, in microseconds.
    ahead: i64,
    /// How long its second is.
    rate: f64,
    /// Broken on purpose: dead waiters stay in line.
    never_prunes: bool,
    subscriptions: BTreeMap<String, Vec<(u64, UnboundedSender<Call>)>>,
    /// The number of the last place in any queue.
    places: u64,
    /// When each hold, by its token, ended on the server.
    ends: BTreeMap<u64, Instant>,
}

#[derive(Debug, Default)]
struct Lock {
    holds: Vec<Hold>,
    queue: Vec<Waiter>,
    writers: Vec<(Owner, Instant)>,
}

/// A fair claim that waits, until when it counts as alive, and for how long it wants the lock.
#[derive(Debug)]
struct Waiter {
    owner: Owner,
    dead: Instant,
    place: u64,
    lease: Duration,
}

#[derive(Debug)]
struct Hold {
    owner: Owner,
    fence: u64,
    reads: bool,
    end: Instant,
}

impl Server {
    pub(crate) fn new(rate: f64, never_prunes: bool) -> Self {
        let state = State {
            start: Instant::now(),
            locks: BTreeMap::new(),
            counter: 0,
            // A year, so that it can be set back.
            ahead: 31_536_000_000_000,
            rate,
            never_prunes,
            subscriptions: BTreeMap::new(),
            places: 0,
            ends: BTreeMap::new(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            condition: Arc::new(Mutex::new(Condition::Up)),
            changed: Arc::default(),
        }
    }

    pub(crate) fn condition(&self) -> Condition {
        *self.condition.lock()
    }

    pub(crate) fn becomes(&self, condition: Condition) {
        *self.condition.lock() = condition;
        self.changed.notify_waiters();
    }

    /// Waits until the server does something about what it got.
    pub(crate) async fn thawed(&self) -> Condition {
        loop {
            let changed = self.changed.notified();
            match self.condition() {
                Condition::Frozen => changed.await,
                condition => return condition,
            }
        }
    }

    pub(crate) fn acquire(&self, claim: &Claim, lease: Duration) -> Attempt {
        let mut state = self.state.lock();
        let now = Instant::now();
        let end = now + lease.mul_f64(state.rate);
        state.prune(claim.key().as_str(), now);
        let lock = state.locks.entry(claim.key().to_string()).or_default();
        if let Some(hold) = lock.holds.iter_mut().find(|hold| hold.owner == *claim.owner()) {
            hold.end = hold.end.max(end);
            let turned = claim.mode() == Mode::Read && !std::mem::replace(&mut hold.reads, claim.mode() == Mode::Read);
            let fence = Fence::new(hold.fence);
            if turned {
                state.announce(claim.key().as_str());
            }
            return Attempt::Acquired(fence);
        }
        let admitted = match claim.mode() {
            Mode::Exclusive | Mode::Write => lock.holds.is_empty(),
            Mode::Fair => lock.holds.is_empty() && lock.queue.first().is_none_or(|first| first.owner == *claim.owner()),
            Mode::Read => lock.holds.iter().all(|hold| hold.reads) && lock.writers.is_empty(),
        };
        if admitted {
            lock.stop_waiting(claim.owner());
            let fence = state.mint();
            let hold = Hold { owner: *claim.owner(), fence, reads: claim.mode() == Mode::Read, end };
            state.locks.entry(claim.key().to_string()).or_default().holds.push(hold);
            return Attempt::Acquired(Fence::new(fence));
        }
        let rest = lock.holds.iter().map(|hold| hold.end - now).max().unwrap_or(HEARTBEAT);
        let busy = Busy::new().with_retry_after(rest.min(HEARTBEAT / 3));
        match claim.mode() {
            Mode::Exclusive | Mode::Read => Attempt::Busy(Busy::new().with_retry_after(rest)),
            Mode::Fair => {
                let lease = end - now;
                Attempt::Busy(busy.with_place(Place::new(state.queue_up(claim, now, lease), HEARTBEAT)))
            }
            Mode::Write => {
                match lock.writers.iter_mut().find(|(owner, _)| owner == claim.owner()) {
                    Some((_, dead)) => *dead = now + HEARTBEAT,
                    None => lock.writers.push((*claim.owner(), now + HEARTBEAT)),
                }
                Attempt::Busy(busy)
            }
        }
    }

    pub(crate) fn renew(&self, claim: &Claim, lease: Duration) -> bool {
        let mut state = self.state.lock();
        let now = Instant::now();
        let end = now + lease.mul_f64(state.rate);
        state.prune(claim.key().as_str(), now);
        let lock = state.locks.get_mut(claim.key().as_str());
        let hold = lock.and_then(|lock| lock.holds.iter_mut().find(|hold| hold.owner == *claim.owner()));
        hold.map(|hold| hold.end = end).is_some()
    }

    pub(crate) fn release(&self, claim: &Claim) -> bool {
        let mut state = self.state.lock();
        let now = Instant::now();
        let key = claim.key().as_str();
        state.prune(key, now);
        let Some(lock) = state.locks.get_mut(key) else { return false };
        let waited = lock.stop_waiting(claim.owner());
        let place = lock.holds.iter().position(|hold| hold.owner == *claim.owner());
        let held = place.map(|place| lock.holds.swap_remove(place));
        if let Some(hold) = &held {
            state.ends.insert(hold.fence, now);
        }
        let passed_on = claim.mode() == Mode::Fair && state.pass_on(key, now);
        if !passed_on && (held.is_some() || waited) {
            state.announce(key);
        }
        state.prune(key, now);
        held.is_some()
    }

    /// The owner whose hold ends last, and whether it reads.
    pub(crate) fn holder(&self, key: &str) -> Option<(Owner, u64, Duration, bool)> {
        let mut state = self.state.lock();
        let now = Instant::now();
        state.prune(key, now);
        let hold = state.locks.get(key)?.holds.iter().max_by_key(|hold| hold.end)?;
        Some((hold.owner, hold.fence, hold.end - now, hold.reads))
    }

    pub(crate) fn subscribe(&self, client: u64, key: &str, hints: UnboundedSender<Call>) {
        self.state.lock().subscriptions.entry(key.to_owned()).or_default().push((client, hints));
    }

    /// Lets all subscriptions of a client look again, as after a reconnect.
    pub(crate) fn reconnected(&self, client: u64) {
        let state = self.state.lock();
        for (_, hints) in state.subscriptions.values().flatten().filter(|(who, _)| *who == client) {
            let _ = hints.send(Call::Free);
        }
    }

    /// The connection of a client is gone.
    pub(crate) fn disconnected(&self, client: u64) {
        self.state.lock().subscriptions.values_mut().for_each(|hints| hints.retain(|(who, _)| *who != client));
    }

    /// Forgets everything, as a server without persistence that is killed. Only its clock remains.
    pub(crate) fn forget(&self) {
        let mut state = self.state.lock();
        let now = Instant::now();
        for (_, lock) in std::mem::take(&mut state.locks) {
            for hold in lock.holds {
                state.ends.insert(hold.fence, hold.end.min(now));
            }
        }
        state.counter = 0;
    }

    pub(crate) fn set_clock_back(&self, by: Duration) {
        self.state.lock().ahead -= i64::try_from(by.as_micros()).unwrap();
    }

    /// Locks and waiters that are stored, and subscriptions.
    pub(crate) fn left(&self) -> (usize, usize) {
        let mut state = self.state.lock();
        let now = Instant::now();
        let keys: Vec<String> = state.locks.keys().cloned().collect();
        for key in keys {
            state.prune(&key, now);
        }
        let subscriptions = state.subscriptions.values().flatten().filter(|(_, hints)| !hints.is_closed()).count();
        (state.locks.len(), subscriptions)
    }

    /// When the hold of this token ended, or will.
    pub(crate) fn end_of(&self, fence: u64) -> Option<Instant> {
        let state = self.state.lock();
        let mut holds = state.locks.values().flat_map(|lock| &lock.holds);
        state.ends.get(&fence).copied().or_else(|| holds.find(|hold| hold.fence == fence).map(|hold| hold.end))
    }
}

impl State {
    /// Keeps the claim's place in the queue, or gives it the last one.
    fn queue_up(&mut self, claim: &Claim, now: Instant, lease: Duration) -> u64 {
        let dead = now + HEARTBEAT.mul_f64(self.rate);
        let lock = self.locks.entry(claim.key().to_string()).or_default();
        if let Some(waiter) = lock.queue.iter_mut().find(|waiter| waiter.owner == *claim.owner()) {
            (waiter.dead, waiter.lease) = (dead, lease);
            return waiter.place;
        }
        self.places += 1;
        lock.queue.push(Waiter { owner: *claim.owner(), dead, place: self.places, lease });
        self.places
    }

    /// Hands a free lock over to the first one in the queue, until it would have counted as dead.
    fn pass_on(&mut self, key: &str, now: Instant) -> bool {
        let Some(lock) = self.locks.get_mut(key).filter(|lock| lock.holds.is_empty() && !lock.queue.is_empty()) else {
            return false;
        };
        let next = lock.queue.remove(0);
        let fence = self.mint();
        let hold = Hold { owner: next.owner, fence, reads: false, end: next.dead.min(now + next.lease) };
        self.locks.entry(key.to_owned()).or_default().holds.push(hold);
        self.call(key, Call::HandedOver { owner: next.owner, place: next.place, fence });
        true
    }

    fn mint(&mut self) -> u64 {
        let clock = i64::try_from(self.start.elapsed().as_micros()).unwrap() + self.ahead;
        self.counter = u64::try_from(clock).unwrap().max(self.counter + 1);
        self.counter
    }

    fn prune(&mut self, key: &str, now: Instant) {
        let Some(lock) = self.locks.get_mut(key) else { return };
        for hold in lock.holds.extract_if(.., |hold| hold.end <= now) {
            self.ends.insert(hold.fence, hold.end);
        }
        if !self.never_prunes {
            lock.queue.retain(|waiter| waiter.dead > now);
            lock.writers.retain(|(_, dead)| *dead > now);
        }
        if lock.holds.is_empty() && lock.queue.is_empty() && lock.writers.is_empty() {
            self.locks.remove(key);
        }
    }

    fn announce(&mut self, key: &str) {
        self.call(key, Call::Free);
    }

    fn call(&mut self, key: &str, call: Call) {
        if let Some(subscriptions) = self.subscriptions.get_mut(key) {
            subscriptions.retain(|(_, hints)| hints.send(call).is_ok());
        }
    }
}

impl Lock {
    fn stop_waiting(&mut self, owner: &Owner) -> bool {
        let before = self.queue.len() + self.writers.len();
        self.queue.retain(|waiter| waiter.owner != *owner);
        self.writers.retain(|(waiter, _)| waiter != owner);
        self.queue.len() + self.writers.len() < before
    }
}
