//! The embedded ledger: all in the memory of this process.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    fmt,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use tokio::{sync::watch, time::Instant};

use super::{
    Changes, Counts, Cursor, Hold, HoldRequest, LedgerError, LedgerImage, Load, SeatLedger, SeatState, Settled,
    Snapshot, ledger::LOG,
};
use crate::ids::{OrderId, SeatPosition, SessionId, UserId};

/// Steps that one call of `changes` answers at most.
const PAGE: usize = 4_096;

/// A [`SeatLedger`] in the memory of this process: one critical section a session, no waiting inside it.
///
/// It is lost with the process, and rebuilt from the database at the next start. Ages count on tokio's clock.
pub struct MemoryLedger {
    log: usize,
    sessions: RwLock<HashMap<SessionId, Arc<Session>>>,
}

#[derive(Default)]
struct Session {
    /// `None` until loaded.
    book: Mutex<Option<Book>>,
    hints: watch::Sender<()>,
}

struct Book {
    epoch: i64,
    limit: u32,
    states: Vec<SeatState>,
    orders: HashMap<OrderId, Owned>,
    users: HashMap<UserId, u32>,
    ages: BTreeSet<(Instant, OrderId)>,
    locked: u32,
    sold: u32,
    log: VecDeque<Step>,
    log_limit: usize,
    sequence: u64,
}

/// The seats of an order.
struct Owned {
    user: UserId,
    seats: Arc<[SeatPosition]>,
    /// Since when they are held; `None` when they are sold.
    since: Option<Instant>,
}

struct Step {
    seats: Arc<[SeatPosition]>,
    state: SeatState,
}

impl fmt::Debug for MemoryLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLedger").field("sessions", &self.sessions.read().len()).finish()
    }
}

impl Default for MemoryLedger {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryLedger {
    /// An empty ledger.
    #[must_use]
    pub fn new() -> Self {
        Self { log: LOG, sessions: RwLock::default() }
    }

    /// Keeps this many steps of each session's change log, 65,536 by default.
    #[must_use]
    pub fn with_log(mut self, steps: usize) -> Self {
        self.log = steps;
        self
    }

    fn session(&self, session: SessionId) -> Option<Arc<Session>> {
        self.sessions.read().get(&session).cloned()
    }

    fn session_or_new(&self, session: SessionId) -> Arc<Session> {
        self.session(session).unwrap_or_else(|| Arc::clone(self.sessions.write().entry(session).or_default()))
    }

    /// Runs `step` on a loaded session.
    fn with<T>(&self, session: SessionId, step: impl FnOnce(&mut Book) -> T) -> Option<T> {
        let session = self.session(session)?;
        let mut book = session.book.lock();
        let book = book.as_mut()?;
        let before = book.sequence;
        let answer = step(book);
        if book.sequence != before {
            session.hints.send_replace(());
        }
        Some(answer)
    }
}

#[async_trait]
impl SeatLedger for MemoryLedger {
    async fn hold(&self, request: &HoldRequest) -> Result<Hold, LedgerError> {
        Ok(self.with(request.session, |book| book.hold(request)).unwrap_or(Hold::NotReady))
    }

    async fn release(&self, session: SessionId, order: OrderId) -> Result<Settled, LedgerError> {
        self.expire(session, order, Duration::ZERO).await
    }

    async fn expire(&self, session: SessionId, order: OrderId, age: Duration) -> Result<Settled, LedgerError> {
        Ok(self.with(session, |book| book.expire(order, age)).unwrap_or(Settled::NotReady))
    }

    async fn sell(&self, session: SessionId, order: OrderId) -> Result<Settled, LedgerError> {
        Ok(self.with(session, |book| book.sell(order)).unwrap_or(Settled::NotReady))
    }

    async fn refund(&self, session: SessionId, order: OrderId) -> Result<Settled, LedgerError> {
        Ok(self.with(session, |book| book.refund(order)).unwrap_or(Settled::NotReady))
    }

    async fn load(&self, session: SessionId, image: &LedgerImage) -> Result<Load, LedgerError> {
        let session = self.session_or_new(session);
        let fresh = Book::new(image, self.log);
        let mut book = session.book.lock();
        if let Some(present) = book.as_ref().map(|book| book.epoch).filter(|present| *present >= image.epoch) {
            return Ok(Load::Behind { present });
        }
        *book = Some(fresh);
        session.hints.send_replace(());
        Ok(Load::Done)
    }

    async fn snapshot(&self, session: SessionId) -> Result<Option<Snapshot>, LedgerError> {
        Ok(self.with(session, |book| Snapshot { cursor: book.cursor(), states: book.states.clone() }))
    }

    async fn counts(&self, session: SessionId) -> Result<Option<Counts>, LedgerError> {
        Ok(self.with(session, |book| book.counts()))
    }

    fn at_hand(&self, session: SessionId) -> Option<Cursor> {
        self.with(session, |book| book.cursor())
    }

    async fn changes(&self, session: SessionId, cursor: Cursor) -> Result<Changes, LedgerError> {
        Ok(self.with(session, |book| book.changes(cursor)).unwrap_or(Changes::Reset))
    }

    async fn holds(&self, session: SessionId, age: Duration, limit: usize) -> Result<Vec<OrderId>, LedgerError> {
        let orders = self.with(session, |book| {
            let old = book.ages.iter().take_while(|(since, _)| since.elapsed() >= age);
            old.map(|(_, order)| *order).take(limit).collect()
        });
        Ok(orders.unwrap_or_default())
    }

    fn watch(&self, session: SessionId) -> watch::Receiver<()> {
        self.session_or_new(session).hints.subscribe()
    }
}

impl Book {
    fn new(image: &LedgerImage, log_limit: usize) -> Self {
        let now = Instant::now();
        let layout = image.layout();
        let mut ages = BTreeSet::new();
        let orders = layout.orders.into_iter().map(|order| {
            let since = (!order.sold).then_some(now);
            ages.extend(since.map(|since| (since, order.order)));
            (order.order, Owned { user: order.user, seats: order.seats.into(), since })
        });
        let orders = orders.collect();
        Self {
            epoch: image.epoch,
            limit: image.seats_per_user,
            states: layout.states,
            orders,
            users: layout.users,
            ages,
            locked: layout.locked,
            sold: layout.sold,
            log: VecDeque::new(),
            log_limit,
            sequence: 0,
        }
    }

    fn cursor(&self) -> Cursor {
        Cursor { epoch: self.epoch, sequence: self.sequence }
    }

    fn counts(&self) -> Counts {
        let seats = u32::try_from(self.states.len()).unwrap_or(u32::MAX);
        Counts { cursor: self.cursor(), seats, locked: self.locked, sold: self.sold }
    }

    fn hold(&mut self, request: &HoldRequest) -> Hold {
        let seats = request.positions();
        if let Some(unknown) = seats.iter().find(|position| **position as usize >= self.states.len()) {
            return Hold::UnknownSeat(*unknown);
        }
        if let Some(owned) = self.orders.get_mut(&request.order) {
            if owned.user != request.user {
                return Hold::OtherSeats(Vec::new());
            }
            if *owned.seats != *seats {
                return Hold::OtherSeats(owned.seats.to_vec());
            }
            if let Some(since) = &mut owned.since {
                self.ages.remove(&(*since, request.order));
                *since = Instant::now();
                self.ages.insert((*since, request.order));
            }
            return Hold::Held { epoch: self.epoch };
        }
        let count = u32::try_from(seats.len()).unwrap_or(u32::MAX);
        let has = self.users.get(&request.user).copied().unwrap_or(0);
        if request.user != UserId::COUNTER && has.saturating_add(count) > self.limit {
            return Hold::UserLimit { has, limit: self.limit };
        }
        let free = |position: &SeatPosition| self.states[*position as usize] == SeatState::Available;
        let taken: Vec<_> = seats.iter().copied().filter(|position| !free(position)).collect();
        if !taken.is_empty() {
            return Hold::Taken(taken);
        }
        if seats.is_empty() {
            return Hold::Held { epoch: self.epoch };
        }
        let seats: Arc<[SeatPosition]> = seats.into();
        let now = Instant::now();
        self.orders.insert(request.order, Owned { user: request.user, seats: Arc::clone(&seats), since: Some(now) });
        self.users.insert(request.user, has + count);
        self.ages.insert((now, request.order));
        self.locked += count;
        self.set(seats, SeatState::Locked);
        Hold::Held { epoch: self.epoch }
    }

    fn expire(&mut self, order: OrderId, age: Duration) -> Settled {
        let Some(owned) = self.orders.get(&order) else { return Settled::NothingHeld };
        if owned.since.is_none_or(|since| since.elapsed() < age) {
            return Settled::Kept;
        }
        self.refund(order)
    }

    fn refund(&mut self, order: OrderId) -> Settled {
        let Some(Owned { user, seats, since }) = self.orders.remove(&order) else { return Settled::NothingHeld };
        let count = u32::try_from(seats.len()).unwrap_or(u32::MAX);
        match since {
            Some(since) => {
                self.ages.remove(&(since, order));
                self.locked -= count;
            }
            None => self.sold -= count,
        }
        if let Some(has) = self.users.get_mut(&user) {
            *has -= count;
            if *has == 0 {
                self.users.remove(&user);
            }
        }
        self.set(seats, SeatState::Available);
        Settled::Changed(count)
    }

    fn sell(&mut self, order: OrderId) -> Settled {
        let Some(owned) = self.orders.get_mut(&order) else { return Settled::NothingHeld };
        let Some(since) = owned.since.take() else { return Settled::Kept };
        let seats = Arc::clone(&owned.seats);
        let count = u32::try_from(seats.len()).unwrap_or(u32::MAX);
        self.ages.remove(&(since, order));
        self.locked -= count;
        self.sold += count;
        self.set(seats, SeatState::Sold);
        Settled::Changed(count)
    }

    /// Writes the new state and its step in the log.
    fn set(&mut self, seats: Arc<[SeatPosition]>, state: SeatState) {
        for position in seats.iter() {
            self.states[*position as usize] = state;
        }
        if self.log.len() >= self.log_limit {
            self.log.pop_front();
        }
        self.log.push_back(Step { seats, state });
        self.sequence += 1;
    }

    fn changes(&self, cursor: Cursor) -> Changes {
        let Some(behind) = self.sequence.checked_sub(cursor.sequence).and_then(|n| usize::try_from(n).ok()) else {
            return Changes::Reset;
        };
        let Some(skip) = self.log.len().checked_sub(behind).filter(|_| cursor.epoch == self.epoch) else {
            return Changes::Reset;
        };
        let steps = self.log.range(skip..).take(PAGE);
        let sequence = cursor.sequence + behind.min(PAGE) as u64;
        let seats = steps.flat_map(|step| step.seats.iter().map(|position| (*position, step.state))).collect();
        Changes::Since { cursor: Cursor { sequence, ..cursor }, seats, counts: self.counts() }
    }
}
