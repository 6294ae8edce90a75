//! Slow commands of the shared level, as those who wait for them see them.
//!
//! Warnings name the operation, the time, how many keys there were and the hash of the first one, never a key: keys are
//! often names, addresses or numbers of people.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use crate::core::Core;
use crate::store::StoreKey;
use crate::telemetry;

/// What the shared level is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    /// The name of the method of [`SharedStore`](crate::SharedStore) or
    /// [`InvalidationChannel`](crate::InvalidationChannel).
    pub(crate) operation: &'static str,
    pub(crate) keys: &'a [StoreKey],
}

impl<'a> Question<'a> {
    pub(crate) const fn new(operation: &'static str, keys: &'a [StoreKey]) -> Self {
        Self { operation, keys }
    }

    pub(crate) const fn about(operation: &'static str, key: &'a StoreKey) -> Self {
        Self::new(operation, std::slice::from_ref(key))
    }

    pub(crate) fn warn(&self, cache: &str, time: Duration) {
        let (operation, keys) = (self.operation, self.keys.len());
        match self.keys.first().map(StoreKey::hash) {
            Some(key_hash) => warn!(cache, operation, ?time, keys, key_hash, "the shared cache is slow"),
            None => warn!(cache, operation, ?time, "the shared cache is slow"),
        }
    }
}

/// Looks, when it is dropped, how long a question of the manager took; also one that was given up.
#[must_use]
pub(crate) struct Watched<'a> {
    core: &'a Core,
    question: Question<'a>,
    began: Instant,
}

impl Core {
    /// Watches a question that concerns all caches.
    pub(crate) fn watched<'a>(&'a self, question: Question<'a>) -> Watched<'a> {
        Watched { core: self, question, began: Instant::now() }
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        let time = self.began.elapsed();
        if time >= self.core.policy.slow_shared {
            self.core.slow_shared.fetch_add(1, Ordering::Relaxed);
            telemetry::slow_shared("", self.question.operation);
            if self.core.warned_of_slowness.may(&self.core.clock) {
                self.question.warn("", time);
            }
        }
    }
}
