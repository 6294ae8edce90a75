//! How far this node has followed the invalidations, and what it knows of tags.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::channel::Position;
use crate::clock::Clock;
use crate::together::Together;

/// So many tags are remembered; beyond that, what was known is fetched again.
const REMEMBERED: usize = 100_000;

#[derive(Debug)]
pub(crate) struct Tracker {
    /// The position as `here` has it, for those who wait for it to change.
    position: watch::Sender<Position>,
    here: Together<3>,
    versions: Mutex<Versions>,
    /// Counts changes of the versions: what was found out stays true while it stands.
    changes: AtomicU64,
    /// The last batch of this node that the channel took and that was not seen in the log since: a server that took it may have
    /// died before another one had it.
    published: Mutex<Option<Position>>,
    /// Without a channel everything is local, and always known.
    alone: bool,
    trusted: AtomicBool,
    /// When the end of the log was seen last, on the manager's clock.
    confirmed: AtomicU64,
    /// Server time less the manager's clock, in milliseconds; `i64::MIN` while unknown.
    offset: AtomicI64,
    /// From publishing to applying, in milliseconds, of the last message.
    lag: AtomicU64,
}

#[derive(Debug, Default)]
struct Versions {
    epoch: u64,
    known: HashMap<u64, u64, foldhash::fast::RandomState>,
    /// How often they were forgotten: an answer that was asked for before must not be believed after.
    round: u64,
    /// What is unknown was not invalidated after this; only used without a channel.
    floor: u64,
}

impl Versions {
    fn raise(&mut self, hash: u64, sequence: u64) {
        if self.known.len() >= REMEMBERED {
            self.known.clear();
            self.round += 1;
            self.floor = sequence;
        }
        let version = self.known.entry(hash).or_default();
        *version = (*version).max(sequence);
    }
}

impl Tracker {
    pub(crate) fn new(alone: bool) -> Self {
        Self {
            position: watch::Sender::new(Position::default()),
            here: Together::new([0; 3]),
            versions: Mutex::default(),
            changes: AtomicU64::new(0),
            published: Mutex::new(None),
            alone,
            trusted: AtomicBool::new(alone),
            confirmed: AtomicU64::new(0),
            offset: AtomicI64::new(i64::MIN),
            lag: AtomicU64::new(0),
        }
    }

    #[inline]
    pub(crate) fn position(&self) -> Position {
        let [epoch, sequence, mark] = self.here.get();
        Position { epoch, sequence, mark }
    }

    fn set_position(&self, position: Position) {
        self.here.set([position.epoch, position.sequence, position.mark]);
        self.position.send_replace(position);
    }

    /// The channel took a batch of this node.
    pub(crate) fn published(&self, at: Position) {
        let mut published = self.published.lock();
        if published.is_none_or(|last| last.epoch != at.epoch || last.sequence < at.sequence) {
            *published = Some(at);
        }
    }

    /// What the log has to hold, if that was not seen yet.
    pub(crate) fn unseen(&self) -> Option<Position> {
        *self.published.lock()
    }

    /// Whether the log holds another batch in the place of ours, so that it is not the log that took ours.
    pub(crate) fn is_replaced(&self, at: Position) -> bool {
        self.unseen().is_some_and(|ours| replaces(at, ours))
    }

    /// The log was followed up to here.
    pub(crate) fn seen(&self, at: Position) {
        let mut published = self.published.lock();
        if published.is_some_and(|ours| ours.epoch != at.epoch || ours.sequence <= at.sequence) {
            *published = None;
        }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Position> {
        self.position.subscribe()
    }

    pub(crate) fn is_trusted(&self) -> bool {
        self.trusted.load(Ordering::Acquire)
    }

    /// Says whether that is a change.
    pub(crate) fn set_trusted(&self, trusted: bool) -> bool {
        self.trusted.swap(trusted, Ordering::AcqRel) != trusted
    }

    pub(crate) fn confirm(&self, clock: u64) {
        self.confirmed.store(clock, Ordering::Relaxed);
    }

    pub(crate) fn confirmed(&self) -> u64 {
        self.confirmed.load(Ordering::Relaxed)
    }

    pub(crate) fn set_lag(&self, millis: u64) {
        self.lag.store(millis, Ordering::Relaxed);
    }

    pub(crate) fn lag(&self) -> u64 {
        self.lag.load(Ordering::Relaxed)
    }

    /// Everything up to `position` has been applied.
    pub(crate) fn advance(&self, position: Position) {
        let mut versions = self.versions.lock();
        if versions.epoch != position.epoch {
            *versions = Versions { epoch: position.epoch, round: versions.round + 1, ..Versions::default() };
            self.changed();
        }
        self.set_position(position);
    }

    /// To be called while the versions are locked, so that who takes a mark after an invalidation sees it.
    fn changed(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    #[inline]
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Some invalidations are unknown: so are the versions.
    pub(crate) fn forget(&self) {
        let mut versions = self.versions.lock();
        versions.known.clear();
        versions.round += 1;
        self.changed();
    }

    /// To be asked before the channel is asked for versions, see [`learn`](Self::learn).
    pub(crate) fn round(&self) -> u64 {
        self.versions.lock().round
    }

    /// `hash` was invalidated at `at`.
    pub(crate) fn invalidated(&self, hash: u64, at: Position) {
        let mut versions = self.versions.lock();
        if versions.epoch == at.epoch {
            versions.raise(hash, at.sequence);
            self.changed();
        }
    }

    /// The next place of a manager without a channel.
    pub(crate) fn next_alone(&self) -> Position {
        let _versions = self.versions.lock();
        let here = self.position();
        let next = Position { sequence: here.sequence + 1, ..here };
        self.set_position(next);
        next
    }

    /// When `hash` was invalidated last, if that is known for this epoch.
    pub(crate) fn version(&self, epoch: u64, hash: u64) -> Option<u64> {
        self.newest(epoch, std::iter::once(hash))
    }

    /// When the last of these was invalidated, if that is known of all of them for this epoch.
    pub(crate) fn newest(&self, epoch: u64, hashes: impl Iterator<Item = u64>) -> Option<u64> {
        let versions = self.versions.lock();
        if versions.epoch != epoch {
            return None;
        }
        let mut newest = 0;
        for hash in hashes {
            let known = versions.known.get(&hash).copied();
            newest = newest.max(if self.alone { known.unwrap_or(versions.floor) } else { known? });
        }
        Some(newest)
    }

    /// What the channel says about versions, unless what was known has been forgotten since it was asked.
    pub(crate) fn learn(&self, round: u64, epoch: u64, hashes: &[u64], found: &[u64]) {
        let mut versions = self.versions.lock();
        for (hash, sequence) in hashes.iter().zip(found) {
            if (versions.round, versions.epoch) == (round, epoch) {
                versions.raise(*hash, *sequence);
                self.changed();
            }
        }
    }

    /// The server's clock was `time` when ours was between `before` and `after`.
    pub(crate) fn set_server_time(&self, time: u64, before: u64, after: u64) {
        let middle = before + after.saturating_sub(before) / 2;
        let offset = i64::try_from(time).unwrap_or(i64::MAX / 2) - i64::try_from(middle).unwrap_or(0);
        self.offset.store(offset, Ordering::Relaxed);
    }

    /// The server's clock in milliseconds since 1970; ours as long as it has not been asked.
    pub(crate) fn server_time(&self, clock: &Clock) -> u64 {
        self.server_time_at(clock.precise())
    }

    /// The same, when our clock is `now`.
    pub(crate) fn server_time_at(&self, now: u64) -> u64 {
        match self.offset.load(Ordering::Relaxed) {
            i64::MIN => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                u64::try_from(since.as_millis()).unwrap_or(0)
            }
            offset => u64::try_from(offset.saturating_add(i64::try_from(now).unwrap_or(0))).unwrap_or(0),
        }
    }
}

/// Whether `at` stands where `ours` would have to.
pub(crate) fn replaces(at: Position, ours: Position) -> bool {
    (at.epoch, at.sequence) == (ours.epoch, ours.sequence) && at.mark != ours.mark
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Position = Position { epoch: 9, sequence: 1, mark: 5 };

    #[test]
    fn unknown_is_not_never() {
        let tracker = Tracker::new(false);
        tracker.advance(ONE);
        assert_eq!(tracker.version(9, 1), None);
        tracker.learn(tracker.round(), 9, &[1, 2], &[0, 4]);
        assert_eq!((tracker.version(9, 1), tracker.version(9, 2)), (Some(0), Some(4)));
        tracker.learn(tracker.round(), 9, &[2], &[3]);
        assert_eq!(tracker.version(9, 2), Some(4), "an answer that was overtaken changes nothing");
        tracker.advance(Position { epoch: 10, ..ONE });
        assert_eq!((tracker.version(9, 1), tracker.version(10, 1)), (None, None));
        let round = tracker.round();
        tracker.learn(round, 9, &[1], &[7]);
        assert_eq!(tracker.version(10, 1), None, "of another epoch");
        tracker.forget();
        tracker.learn(round, 10, &[1], &[7]);
        assert_eq!(tracker.version(10, 1), None, "asked before something was lost");
    }

    #[test]
    fn alone_everything_is_known() {
        let tracker = Tracker::new(true);
        assert_eq!(tracker.version(0, 1), Some(0));
        let at = tracker.next_alone();
        tracker.invalidated(1, at);
        assert_eq!((tracker.version(0, 1), tracker.version(0, 2)), (Some(1), Some(0)));
        for hash in 0..=REMEMBERED as u64 {
            tracker.invalidated(hash, tracker.next_alone());
        }
        assert!(tracker.version(0, 1).unwrap() >= 1, "forgotten is never earlier");
    }
}
