//! A level of the cache that processes share, and what makes it believable.

use std::{collections::HashMap, fmt, time::SystemTime};

use async_trait::async_trait;
use foldhash::fast::RandomState;
use parking_lot::Mutex;

use crate::rbac::{name::UserId, store::StoredUser};

/// More users than this are not remembered one by one.
const REMEMBERED: usize = 100_000;
/// A store that is taken into use after it was restored from a backup is ahead of everything by as much.
const LEAP: u64 = 1 << 32;

/// Keeps what one process has read for all of them.
#[async_trait]
pub(crate) trait SharedLevel: fmt::Debug + Send + Sync {
    /// What some process has read about a user, if that is to be had soon. Whether it is still so, the [`Journal`] knows.
    async fn recall(&self, user: &UserId) -> Option<StoredUser>;

    /// Keeps it, if there is time for that.
    fn remember(&self, user: &StoredUser);
}

/// That level, and what has to be known to use it.
#[derive(Debug)]
pub(crate) struct Level {
    pub(crate) shared: Box<dyn SharedLevel>,
    pub(crate) journal: Mutex<Journal>,
    /// What the store's clock showed, at the latest when this process's coarse clock showed that.
    pub(crate) clock: Mutex<Option<(SystemTime, u64)>>,
}

/// Which users have changed of late. Nothing that anybody else wrote down is believed unless it is known here that the user has
/// not changed since: a message that is lost, a late write, or a copy of an old value cannot bring anything back.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// Of every commit after this one, the users are known.
    from: u64,
    /// By which commit they changed last, or a later one.
    changed: HashMap<UserId, u64, RandomState>,
}

impl Journal {
    pub(crate) fn starting(from: u64) -> Self {
        Self { from, changed: HashMap::default() }
    }

    /// Users that changed after commit `since`, at the latest by commit `head`; nothing if they were too many. Whether there was
    /// room for them; if not, the journal begins anew.
    pub(crate) fn note(&mut self, users: Option<&[UserId]>, since: u64, head: u64) -> bool {
        match users {
            Some(users) if head.saturating_sub(since) < LEAP && self.changed.len() + users.len() <= REMEMBERED => {
                for user in users {
                    let last = self.changed.entry(user.clone()).or_default();
                    *last = head.max(*last);
                }
                true
            }
            _ => {
                *self = Self::starting(head);
                false
            }
        }
    }

    /// As [`note`](Self::note), of what was before the beginning.
    pub(crate) fn look_back(&mut self, users: &[UserId], since: u64, head: u64) {
        if self.note(Some(users), since, head) {
            self.from = since.min(self.from);
        }
    }

    /// Whether what was read of a user at commit `at` is still so, as far as this process can know; `seen` is the highest commit
    /// that it has heard of.
    pub(crate) fn vouches(&self, user: &UserId, at: u64, seen: u64) -> bool {
        (self.from..=seen).contains(&at) && self.changed.get(user).is_none_or(|last| *last <= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str) -> UserId {
        UserId::new(id).unwrap()
    }

    #[test]
    fn only_what_has_not_changed_since_is_vouched_for() {
        let (ann, bob) = (user("ann"), user("bob"));
        let mut journal = Journal::starting(10);
        assert!(journal.vouches(&ann, 10, 10) && !journal.vouches(&ann, 9, 10), "what was before is not known");
        assert!(!journal.vouches(&ann, 11, 10), "nor what has not happened yet");
        journal.note(Some(&[user("ann")]), 10, 12);
        assert!(!journal.vouches(&ann, 11, 12) && journal.vouches(&ann, 12, 12) && journal.vouches(&bob, 10, 12));
        // A late report does not take anything back.
        journal.note(Some(&[user("ann")]), 10, 11);
        assert!(!journal.vouches(&ann, 11, 12));

        let mut early = Journal::starting(12);
        early.look_back(&[], 4, 12);
        assert!(early.vouches(&ann, 4, 12), "also if nothing has changed since it began");
        journal.look_back(&[user("bob")], 4, 12);
        assert!(journal.vouches(&user("cid"), 4, 12) && !journal.vouches(&user("cid"), 3, 12));
        assert!(!journal.vouches(&bob, 11, 12) && !journal.vouches(&ann, 11, 12));

        journal.note(None, 12, 20);
        assert!(!journal.vouches(&bob, 19, 20) && journal.vouches(&bob, 20, 20));
    }

    #[test]
    fn a_store_that_leapt_and_changes_without_number_begin_anew() {
        let mut journal = Journal::starting(10);
        journal.note(Some(&[]), 10, 10 + LEAP);
        assert!(!journal.vouches(&user("ann"), 10, 10 + LEAP) && journal.vouches(&user("ann"), 10 + LEAP, 10 + LEAP));

        let many: Vec<_> = (0..=REMEMBERED).map(|number| user(&format!("u{number}"))).collect();
        let mut journal = Journal::starting(10);
        journal.look_back(&many, 5, 11);
        assert!(!journal.vouches(&user("ann"), 10, 11), "there was no room");
        journal.note(Some(&many), 11, 12);
        assert!(journal.changed.is_empty() && !journal.vouches(&user("ann"), 11, 12));
    }
}
