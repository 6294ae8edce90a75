//! How a [`PermissionEvaluator`](super::PermissionEvaluator) works.

use std::time::Duration;

use crate::error::Error;

/// How a [`PermissionEvaluator`](super::PermissionEvaluator) works.
#[derive(Debug, Clone)]
#[must_use]
pub struct EvaluatorOptions {
    pub(super) poll: Duration,
    pub(super) lease: Duration,
    pub(super) max_age: Duration,
    pub(super) capacity: usize,
    pub(super) preload: u32,
    pub(super) timeout: Duration,
}

impl Default for EvaluatorOptions {
    fn default() -> Self {
        Self {
            poll: Duration::from_millis(400),
            lease: Duration::from_secs(3),
            max_age: Duration::from_mins(30),
            capacity: 100_000,
            preload: 1_000,
            timeout: Duration::from_secs(2),
        }
    }
}

impl EvaluatorOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How often the store is asked what has changed. 400 ms by default: changes by other processes are seen within that
    /// and one answer of the store, with or without a signal.
    pub const fn poll(mut self, every: Duration) -> Self {
        self.poll = every;
        self
    }

    /// For how long what is known may be used after the store last said that nothing had changed. 3 s by default: the
    /// bound of staleness when the store is away. After that nobody is let through on old knowledge.
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// After how long a user is read again although nothing changed. 30 min by default.
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// How many users are kept. 100,000 by default.
    pub const fn capacity(mut self, users: usize) -> Self {
        self.capacity = users;
        self
    }

    /// How many users are read at start, in the order of their ids. 1,000 by default.
    pub const fn preload(mut self, users: u32) -> Self {
        self.preload = users;
        self
    }

    /// How long the store may take to answer before that counts as no answer. 2 s by default.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        if self.poll.is_zero() || self.poll >= self.lease {
            return Err(Error::config("the store must be asked for changes more often than the lease lasts"));
        }
        if self.capacity == 0 || self.timeout.is_zero() {
            return Err(Error::config("a permission cache needs room for users and time for the store"));
        }
        Ok(())
    }
}
