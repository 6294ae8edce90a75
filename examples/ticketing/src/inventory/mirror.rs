//! The seats of a session as this process knows them, for choosing among them: read once for all who choose, and without those
//! that others of this process are about to hold.
//!
//! Only the ledger decides. What is chosen here may be gone there, and is then chosen again.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tokio::{sync::Mutex as Turn, time::Instant};

use super::{Changes, Cursor, SeatLedger, SeatState, Snapshot};
use crate::{
    ids::{SeatPosition, SessionId},
    problem::Problem,
};

/// The mirrors of all sessions that somebody let choose.
#[derive(Debug, Default)]
pub(super) struct Mirrors {
    sessions: Mutex<HashMap<SessionId, Arc<Mirror>>>,
}

impl Mirrors {
    pub(super) fn of(&self, session: SessionId) -> Arc<Mirror> {
        Arc::clone(self.sessions.lock().entry(session).or_default())
    }

    pub(super) fn forget(&self, session: SessionId) {
        self.sessions.lock().remove(&session);
    }
}

/// The seats of one session.
#[derive(Debug, Default)]
pub(crate) struct Mirror {
    seats: Mutex<Seats>,
    /// Whoever reads; the others wait for what it finds.
    turn: Turn<()>,
}

#[derive(Debug, Default)]
struct Seats {
    /// Up to where the change log is known; `None` before the first reading.
    cursor: Option<Cursor>,
    /// When the last reading began.
    read: Option<Instant>,
    states: Vec<SeatState>,
    claims: HashMap<SeatPosition, Claim>,
    /// Which are free and nobody's claim.
    free: Vec<bool>,
}

/// Why a seat is not offered although the last reading found it free.
#[derive(Clone, Copy, Debug)]
enum Claim {
    /// Somebody is about to hold it.
    Open,
    /// The ledger said so at this time: what is read from then on knows it.
    Until(Instant),
}

impl Seats {
    fn set(&mut self, position: SeatPosition, state: SeatState) {
        if let Some(known) = self.states.get_mut(position as usize) {
            *known = state;
        }
        self.offer(position);
    }

    fn offer(&mut self, position: SeatPosition) {
        let is_free = self.states.get(position as usize) == Some(&SeatState::Available);
        if let Some(free) = self.free.get_mut(position as usize) {
            *free = is_free && !self.claims.contains_key(&position);
        }
    }

    fn claim(&mut self, position: SeatPosition, claim: Claim) {
        self.claims.insert(position, claim);
        self.offer(position);
    }

    fn give_back(&mut self, position: SeatPosition) {
        self.claims.remove(&position);
        self.offer(position);
    }

    /// All was read by a reading that began then.
    fn as_of(&mut self, began: Instant) {
        self.read = Some(began);
        let settled = |claim: &Claim| matches!(claim, Claim::Until(at) if *at <= began);
        let settled: Vec<_> = self.claims.iter().filter(|(_, claim)| settled(claim)).map(|(seat, _)| *seat).collect();
        settled.into_iter().for_each(|seat| self.give_back(seat));
    }
}

impl Mirror {
    /// Sees to it that what is known is not older than `since`: reads what has changed, or all with `read` where that is not
    /// known.
    pub(super) async fn follow<R>(
        &self,
        ledger: &dyn SeatLedger,
        session: SessionId,
        since: Instant,
        read: impl FnOnce() -> R + Send,
    ) -> Result<(), Problem>
    where
        R: Future<Output = Result<Snapshot, Problem>> + Send,
    {
        if self.is_as_of(since) {
            return Ok(());
        }
        let _turn = self.turn.lock().await;
        if self.is_as_of(since) {
            return Ok(());
        }
        let began = Instant::now();
        if !self.catch_up(ledger, session).await? {
            self.replace(read().await?);
        }
        self.seats.lock().as_of(began);
        Ok(())
    }

    /// Reads what has changed; `false`: that is not known.
    async fn catch_up(&self, ledger: &dyn SeatLedger, session: SessionId) -> Result<bool, Problem> {
        let Some(mut cursor) = self.seats.lock().cursor else { return Ok(false) };
        if ledger.at_hand(session) == Some(cursor) {
            return Ok(true);
        }
        loop {
            let Changes::Since { cursor: next, seats, .. } = ledger.changes(session, cursor).await? else {
                return Ok(false);
            };
            let mut known = self.seats.lock();
            seats.into_iter().for_each(|(position, state)| known.set(position, state));
            known.cursor = Some(next);
            if next == cursor {
                return Ok(true);
            }
            cursor = next;
        }
    }

    fn replace(&self, snapshot: Snapshot) {
        let mut seats = self.seats.lock();
        seats.cursor = Some(snapshot.cursor);
        seats.free = vec![false; snapshot.states.len()];
        seats.states = snapshot.states;
        for position in (0..).take(seats.states.len()) {
            seats.offer(position);
        }
    }

    fn is_as_of(&self, since: Instant) -> bool {
        self.seats.lock().read.is_some_and(|read| read >= since)
    }

    /// Lets `choose` look at what is free and claims what it answers. It is told how many seats others are about to take, or
    /// have just taken.
    pub(crate) fn claim<T>(
        self: &Arc<Self>,
        choose: impl FnOnce(&dyn Fn(SeatPosition) -> bool, usize) -> Result<Vec<SeatPosition>, T>,
    ) -> Result<Claimed, T> {
        let mut seats = self.seats.lock();
        let chosen = {
            let free = &seats.free;
            choose(&|position| free.get(position as usize) == Some(&true), seats.claims.len())?
        };
        for position in &chosen {
            seats.claim(*position, Claim::Open);
        }
        Ok(Claimed { mirror: Arc::clone(self), seats: chosen })
    }

    /// Lets `choose` look at what is free.
    pub(crate) fn look<T>(&self, choose: impl FnOnce(&dyn Fn(SeatPosition) -> bool) -> T) -> T {
        let seats = self.seats.lock();
        choose(&|position| seats.free.get(position as usize) == Some(&true))
    }

    /// Whether somebody is about to hold seats, which may come back.
    pub(crate) fn is_busy(&self) -> bool {
        !self.seats.lock().claims.is_empty()
    }
}

/// Seats that somebody is about to hold. Dropped, they are offered to others again.
#[derive(Debug)]
pub(crate) struct Claimed {
    mirror: Arc<Mirror>,
    seats: Vec<SeatPosition>,
}

impl Claimed {
    /// The seats.
    pub(crate) fn seats(&self) -> &[SeatPosition] {
        &self.seats
    }

    /// The ledger said that these are taken, by this order or by others.
    pub(crate) fn taken(mut self, taken: &[SeatPosition]) {
        let now = Instant::now();
        let mut seats = self.mirror.seats.lock();
        for position in self.seats.drain(..) {
            if taken.contains(&position) {
                seats.claim(position, Claim::Until(now));
            } else {
                seats.give_back(position);
            }
        }
    }

    /// The ledger said that all of them are this order's.
    pub(crate) fn held(self) {
        let seats = self.seats.clone();
        self.taken(&seats);
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        let mut seats = self.mirror.seats.lock();
        self.seats.iter().for_each(|position| seats.give_back(*position));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mirror(states: &str) -> Arc<Mirror> {
        let mirror = Arc::new(Mirror::default());
        let states = states.bytes().filter_map(SeatState::from_letter).collect();
        mirror.replace(Snapshot { cursor: Cursor { epoch: 1, sequence: 1 }, states });
        mirror
    }

    fn free(mirror: &Mirror) -> Vec<SeatPosition> {
        mirror.look(|is_free| (0..10).filter(|position| is_free(*position)).collect())
    }

    fn claim(mirror: &Arc<Mirror>, seats: &[SeatPosition]) -> Claimed {
        mirror.claim(|_, _| Ok::<_, ()>(seats.to_vec())).unwrap()
    }

    #[tokio::test]
    async fn what_somebody_is_about_to_hold_is_not_offered_to_others() {
        let mirror = mirror("AALA");
        assert_eq!(free(&mirror), [0, 1, 3]);
        let claimed = claim(&mirror, &[0, 1]);
        assert_eq!((free(&mirror), mirror.is_busy()), (vec![3], true));
        // The ledger refused one of them: the other is free.
        claimed.taken(&[1]);
        assert_eq!(free(&mirror), [0, 3]);
        drop(claim(&mirror, &[0]));
        assert_eq!(free(&mirror), [0, 3]);
    }

    #[tokio::test]
    async fn the_ledgers_word_holds_until_a_later_reading() {
        let mirror = mirror("AA");
        let before = Instant::now();
        claim(&mirror, &[0]).held();
        // It began before: it need not know.
        mirror.seats.lock().as_of(before - std::time::Duration::from_millis(1));
        assert_eq!(free(&mirror), [1]);
        mirror.seats.lock().set(0, SeatState::Locked);
        mirror.seats.lock().as_of(Instant::now());
        assert_eq!((free(&mirror), mirror.is_busy()), (vec![1], false));
        mirror.seats.lock().set(0, SeatState::Available);
        assert_eq!(free(&mirror), [0, 1]);
    }
}
