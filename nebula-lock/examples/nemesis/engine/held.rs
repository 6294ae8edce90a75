//! What clients ask for and what they get: one lock, several at once, or one of several segments.
#![allow(dead_code, reason = "each program uses a part of it")]

use std::time::Duration;

use nebula_lock::{Error, LockGuard, LockManager, Lost, Mode, MultiGuard, Release, SegmentGuard, SegmentedLock};

#[derive(Clone, Debug)]
pub(crate) enum Wish {
    One(String, Mode),
    All(Vec<String>),
    Segment(SegmentedLock),
}

#[derive(Debug)]
pub(crate) enum Held {
    One(LockGuard),
    All(MultiGuard),
    Segment(SegmentGuard),
}

impl Wish {
    /// Asks for it. `lease`: one of its own.
    pub(crate) async fn ask(self, locks: &LockManager, wait: Duration, lease: Option<Duration>) -> Result<Held, Error> {
        Ok(match self {
            Self::One(key, mode) => {
                let request = locks.lock(key).mode(mode).wait(wait);
                Held::One(if let Some(lease) = lease { request.lease(lease).await? } else { request.await? })
            }
            Self::All(keys) => {
                let request = locks.lock_all(keys).wait(wait);
                Held::All(if let Some(lease) = lease { request.lease(lease).await? } else { request.await? })
            }
            Self::Segment(stock) => {
                let request = stock.lock().wait(wait);
                Held::Segment(if let Some(lease) = lease { request.lease(lease).await? } else { request.await? })
            }
        })
    }

    /// How many locks may be asked about one after the other.
    pub(crate) fn width(&self) -> usize {
        match self {
            Self::One(..) => 1,
            Self::All(keys) => keys.len(),
            Self::Segment(stock) => stock.segments(),
        }
    }
}

impl Held {
    pub(crate) fn guards(&self) -> Vec<&LockGuard> {
        match self {
            Self::One(guard) => vec![guard],
            Self::All(guards) => guards.iter().collect(),
            Self::Segment(segment) => vec![segment.guard()],
        }
    }

    /// Runs `work` and drops it when the first of the locks is lost.
    pub(crate) async fn run<F: Future>(&self, work: F) -> Result<F::Output, Lost> {
        match self {
            Self::One(guard) => guard.run(work).await,
            Self::All(guards) => guards.run(work).await,
            Self::Segment(segment) => segment.guard().run(work).await,
        }
    }

    pub(crate) async fn release(self) -> Release {
        match self {
            Self::One(guard) => guard.release().await,
            Self::All(guards) => guards.release().await,
            Self::Segment(segment) => segment.release().await,
        }
    }
}
