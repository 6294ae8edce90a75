//! What several test programs share.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

pub(crate) mod counting;
pub(crate) mod flaky;
pub(crate) mod forgetful;
pub(crate) mod lag;
pub(crate) mod process;
pub(crate) mod remote;
pub(crate) mod servers;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long a node may answer with what was evicted elsewhere, unless something else is set.
pub(crate) const BOUND: Duration = Duration::from_secs(2);

/// A source of data that counts how often it is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Source {
    pub(crate) value: Arc<AtomicU64>,
    pub(crate) calls: Arc<AtomicU64>,
}

impl Source {
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn set(&self, value: u64) {
        self.value.store(value, Ordering::SeqCst);
    }

    /// A load that reads at once and answers after `time`.
    pub(crate) fn load(&self, time: Duration) -> impl Future<Output = io::Result<Option<u64>>> + Send + 'static {
        let this = self.clone();
        async move {
            this.calls.fetch_add(1, Ordering::SeqCst);
            let value = this.value.load(Ordering::SeqCst);
            tokio::time::sleep(time).await;
            Ok(Some(value))
        }
    }

    /// A load that fails after `time`.
    pub(crate) fn fail(&self, time: Duration) -> impl Future<Output = io::Result<Option<u64>>> + Send + 'static {
        let this = self.clone();
        async move {
            this.calls.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(time).await;
            Err(io::Error::other("the database is down"))
        }
    }
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
