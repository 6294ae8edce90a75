//! What can be set about a worker.

use std::time::Duration;

use crate::{Error, ErrorKind, Result, RetryPolicy};

/// The options of a worker; each is explained at [`WorkerBuilder`](crate::WorkerBuilder).
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct WorkerOptions {
    concurrency: Option<usize>,
    prefetch: Option<usize>,
    lease: Option<Duration>,
    handler_timeout: Option<Duration>,
    retry: Option<RetryPolicy>,
    poll_interval: Option<Duration>,
}

impl WorkerOptions {
    const CONCURRENCY: usize = 8;
    const LEASE: Duration = Duration::from_secs(30);
    const HANDLER_TIMEOUT: Duration = Duration::from_secs(5 * 60);
    /// Shorter leases could not be extended in time over a network.
    const SHORTEST_LEASE: Duration = Duration::from_millis(100);

    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many messages are handled at the same time.
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = Some(concurrency);
        self
    }

    /// How many more messages are held ready.
    pub fn prefetch(mut self, prefetch: usize) -> Self {
        self.prefetch = Some(prefetch);
        self
    }

    /// How long messages are leased.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }

    /// How long a handler may take.
    pub fn handler_timeout(mut self, timeout: Duration) -> Self {
        self.handler_timeout = Some(timeout);
        self
    }

    /// The retry policy of messages that bring none of their own.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// How long the worker sleeps at most without asking the backend.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = Some(interval);
        self
    }

    pub(super) fn concurrency_at_least(mut self, needed: usize) -> Self {
        self.concurrency.get_or_insert(needed);
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        let refuse = |text: &'static str| Err(Error::new(ErrorKind::ConfigInvalid, text));
        if self.get_concurrency() == 0 {
            return refuse("a worker's concurrency is at least 1");
        }
        if self.get_concurrency() > 65_536 || self.get_prefetch() > 65_536 {
            return refuse("a worker's concurrency and prefetch are at most 65536");
        }
        if self.get_lease() < Self::SHORTEST_LEASE {
            return refuse("a lease is at least 100 ms");
        }
        if self.get_lease() > crate::MAX_DELAY || self.get_handler_timeout() > crate::MAX_DELAY {
            return refuse("a lease and a handler timeout are at most 365 days");
        }
        if self.poll_interval.is_some_and(|interval| interval.is_zero()) {
            return refuse("a poll interval is longer than zero");
        }
        Ok(())
    }

    pub(super) fn get_concurrency(&self) -> usize {
        self.concurrency.unwrap_or(Self::CONCURRENCY)
    }

    pub(super) fn get_prefetch(&self) -> usize {
        self.prefetch.unwrap_or_else(|| self.get_concurrency())
    }

    pub(super) fn get_lease(&self) -> Duration {
        self.lease.unwrap_or(Self::LEASE)
    }

    pub(super) fn get_handler_timeout(&self) -> Duration {
        self.handler_timeout.unwrap_or(Self::HANDLER_TIMEOUT)
    }

    pub(super) fn get_retry(&self) -> Option<&RetryPolicy> {
        self.retry.as_ref()
    }

    pub(super) fn get_poll_interval(&self) -> Option<Duration> {
        self.poll_interval
    }
}
