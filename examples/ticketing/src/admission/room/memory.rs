//! Waiting rooms in this process.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    time::Duration,
};

use async_trait::async_trait;
use aws_lc_rs::digest;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Answer, Crowd, Errand, PACE, RoomError, Rules, Standing, WaitingRoom};
use crate::{
    clock::Millis,
    ids::{SessionId, UserId},
};

/// Places of a longer line than this are counted once a second at most.
const EXACT: usize = 4_096;
/// A room that nobody visited for so long is forgotten.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Waiting rooms in memory, for one process.
#[derive(Debug)]
pub struct MemoryRoom {
    rooms: Mutex<HashMap<SessionId, Room>>,
    /// The wall clock is read once; from then on time goes on steadily.
    since: (Millis, Instant),
}

/// Before the opening a number that only chance knows, afterwards one that grows: the early ones come first.
type Place = (u8, u64);

#[derive(Debug)]
struct Room {
    salt: [u8; 16],
    coming: u64,
    admitted: u64,
    line: BTreeSet<(Place, UserId)>,
    waiting: HashMap<UserId, (Place, Millis)>,
    /// Until when, and whether they know it.
    inside: HashMap<UserId, (Millis, bool)>,
    pace: VecDeque<Millis>,
    places: Places,
    visited: Millis,
}

/// How many are ahead of each, as counted last.
#[derive(Debug, Default)]
struct Places {
    ahead: HashMap<UserId, u64>,
    counted: Option<Millis>,
    changed: bool,
}

impl Default for MemoryRoom {
    fn default() -> Self {
        Self { rooms: Mutex::default(), since: (Millis::now(), Instant::now()) }
    }
}

impl MemoryRoom {
    fn now(&self) -> Millis {
        self.since.0.plus(self.since.1.elapsed())
    }
}

#[async_trait]
impl WaitingRoom for MemoryRoom {
    async fn visit(
        &self,
        session: SessionId,
        rules: &Rules,
        errand: Errand,
        users: &[UserId],
    ) -> Result<Answer, RoomError> {
        let now = self.now();
        let mut rooms = self.rooms.lock();
        if !rooms.contains_key(&session) {
            rooms.retain(|_, room| now.since(room.visited) < KEPT || rules.opens_at > now);
        }
        let room = rooms.entry(session).or_insert_with(|| Room::new(now));
        room.visited = now;
        room.tidy(rules, now);
        let mut queued = 0;
        for user in users {
            match errand {
                Errand::Join => queued += u64::from(room.join(*user, rules, now)),
                Errand::Leave => room.leave(*user),
                Errand::Look => {}
            }
        }
        let before = room.admitted;
        room.let_in(rules, now);
        let standings = users.iter().map(|user| room.standing(*user, rules, errand, now)).collect();
        Ok(Answer { crowd: room.crowd(now), standings, queued, let_in: room.admitted - before })
    }
}

impl Room {
    fn new(now: Millis) -> Self {
        Self {
            salt: rand::random(),
            coming: 0,
            admitted: 0,
            line: BTreeSet::new(),
            waiting: HashMap::new(),
            inside: HashMap::new(),
            pace: VecDeque::new(),
            places: Places::default(),
            visited: now,
        }
    }

    /// Who was not heard of, or whose time is over, goes.
    fn tidy(&mut self, rules: &Rules, now: Millis) {
        let dead = now.minus(rules.grace);
        let (line, before) = (&mut self.line, self.waiting.len());
        self.waiting.retain(|user, (place, seen)| {
            let here = *seen > dead;
            if !here {
                line.remove(&(*place, *user));
            }
            here
        });
        self.places.changed |= self.waiting.len() != before;
        self.inside.retain(|_, (until, _)| *until > now);
    }

    /// Whether it is a new place in the line.
    fn join(&mut self, user: UserId, rules: &Rules, now: Millis) -> bool {
        if self.inside.contains_key(&user) {
            return false;
        }
        if let Some((_, seen)) = self.waiting.get_mut(&user) {
            *seen = now;
            return false;
        }
        let place = if now < rules.opens_at {
            (0, self.chance(user))
        } else {
            self.coming += 1;
            (1, self.coming)
        };
        self.line.insert((place, user));
        self.waiting.insert(user, (place, now));
        self.places.changed = true;
        true
    }

    /// The same for whoever comes again, and foreseen by nobody.
    fn chance(&self, user: UserId) -> u64 {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&self.salt);
        context.update(user.0.as_bytes());
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&context.finish().as_ref()[..8]);
        u64::from_be_bytes(bytes)
    }

    fn leave(&mut self, user: UserId) {
        self.inside.remove(&user);
        if let Some((place, _)) = self.waiting.remove(&user) {
            self.line.remove(&(place, user));
            self.places.changed = true;
        }
    }

    fn let_in(&mut self, rules: &Rules, now: Millis) {
        if now < rules.opens_at {
            return;
        }
        while self.inside.len() < rules.admitted as usize {
            let Some((_, user)) = self.line.pop_first() else { return };
            self.waiting.remove(&user);
            self.inside.insert(user, (now.plus(rules.grace), false));
            self.places.changed = true;
            self.admitted += 1;
            if self.admitted > u64::from(rules.admitted) {
                self.pace.push_back(now);
            }
        }
    }

    fn standing(&mut self, user: UserId, rules: &Rules, errand: Errand, now: Millis) -> Standing {
        if let Some((until, told)) = self.inside.get_mut(&user) {
            if errand == Errand::Join && !*told {
                (*until, *told) = (now.plus(rules.stay), true);
            }
            return Standing::Inside { left: until.since(now) };
        }
        if self.waiting.contains_key(&user) {
            return Standing::Waiting { ahead: self.ahead(user, now) };
        }
        Standing::Away
    }

    fn ahead(&mut self, user: UserId, now: Millis) -> u64 {
        let stale = self.places.counted.is_none_or(|counted| now.since(counted) >= Duration::from_secs(1));
        if self.places.changed && (self.line.len() <= EXACT || stale) {
            self.places.ahead = self.line.iter().map(|(_, user)| *user).zip(0..).collect();
            self.places.counted = Some(now);
            self.places.changed = false;
        }
        // Who came since the last count stands at the end.
        self.places.ahead.get(&user).copied().unwrap_or_else(|| (self.line.len() as u64).saturating_sub(1))
    }

    fn crowd(&mut self, now: Millis) -> Crowd {
        let old = now.minus(PACE);
        while self.pace.front().is_some_and(|at| *at <= old) {
            self.pace.pop_front();
        }
        Crowd { waiting: self.line.len() as u64, inside: self.inside.len() as u64, pace: self.pace.len() as u64 }
    }
}
