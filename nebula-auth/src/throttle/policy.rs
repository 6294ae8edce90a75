//! How fast attempts may follow one another.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::{
    clock::{from_unix_millis, unix_millis},
    error::Error,
    proof::Change,
};

/// How fast attempts may follow one another: some at once, then each after twice the wait of the one before, up to a
/// longest wait. It never ends in a lock that somebody has to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackOff {
    free: u32,
    first: Duration,
    longest: Duration,
    forget: Duration,
}

impl BackOff {
    /// So many attempts without a wait; then a first wait, doubled up to the longest. All is forgotten `forget` after
    /// the last attempt.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for no attempt or more than 10,000, for a first wait of less than
    /// 100 ms, for a longest wait shorter than the first or longer than a day, and for what is forgotten before the
    /// longest wait is over or kept longer than 30 days.
    pub fn new(free: u32, first: Duration, longest: Duration, forget: Duration) -> Result<Self, Error> {
        let fine = (1..=10_000).contains(&free)
            && first >= Duration::from_millis(100)
            && (first..=Duration::from_hours(24)).contains(&longest)
            && (longest..=Duration::from_hours(30 * 24)).contains(&forget);
        if fine {
            Ok(Self { free, first, longest, forget })
        } else {
            Err(Error::config(
                "a back-off needs 1 to 10000 free attempts, a first wait of at least 100 ms, a longest wait between that \
                 and a day, and a memory between the longest wait and 30 days",
            ))
        }
    }

    /// For one account: 5 attempts, then 1 s, 2 s, 4 s, … up to 15 minutes; forgotten after an hour.
    #[must_use]
    pub const fn account() -> Self {
        Self {
            free: 5,
            first: Duration::from_secs(1),
            longest: Duration::from_mins(15),
            forget: Duration::from_hours(1),
        }
    }

    /// For one source, behind which there may be a whole company: 50 failed attempts, then as for accounts.
    #[must_use]
    pub const fn source() -> Self {
        Self { free: 50, ..Self::account() }
    }

    /// For messages to one recipient: 5, then 1 minute, 2, 4, … up to an hour; forgotten after a day.
    #[must_use]
    pub const fn sending() -> Self {
        Self {
            free: 5,
            first: Duration::from_mins(1),
            longest: Duration::from_hours(1),
            forget: Duration::from_hours(24),
        }
    }

    /// How many attempts a wait of its own does not follow.
    #[must_use]
    pub const fn free(&self) -> u32 {
        self.free
    }

    /// The longest wait.
    #[must_use]
    pub const fn longest(&self) -> Duration {
        self.longest
    }

    fn wait_after(&self, attempts: u32) -> Duration {
        match attempts.checked_sub(self.free) {
            None => Duration::ZERO,
            Some(doubled) => self.first.saturating_mul(1 << doubled.min(31)).min(self.longest),
        }
    }

    /// Counts an attempt before it is made, so that any number of them at once are no more than so many one by one.
    pub(crate) fn count(&self, found: Option<Attempts>, now: SystemTime) -> Change<Attempts, Option<Duration>> {
        let before = found.unwrap_or_default();
        let not_before = from_unix_millis(before.not_before_ms);
        // A clock that was set back makes nobody wait longer than the longest wait.
        let wait = not_before.duration_since(now).unwrap_or_default().min(self.longest);
        if !wait.is_zero() {
            return Change::Keep(Some(wait));
        }
        let count = before.count.saturating_add(1);
        let not_before_ms = unix_millis(now + self.wait_after(count));
        Change::Put(Attempts { count, not_before_ms }, now + self.forget, None)
    }

    /// Takes an attempt back.
    pub(super) fn uncount(&self, found: Option<Attempts>, now: SystemTime) -> Change<Attempts, ()> {
        match found {
            Some(Attempts { count: 2.., not_before_ms: _ }) => {}
            _ => return Change::Remove(()),
        }
        let count = found.map_or(0, |attempts| attempts.count - 1);
        Change::Put(Attempts { count, not_before_ms: 0 }, now + self.forget, ())
    }
}

/// What is stored.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Attempts {
    count: u32,
    not_before_ms: i64,
}
