//! How a waiting claim hears of its lock.

use std::fmt;
use std::pin::Pin;

use futures_util::{Stream, StreamExt};

use crate::fence::Fence;

/// What a watch tells a waiting claim.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// The key may have become free: try again.
    Look,
    /// The lock was handed over to the claim, which holds it now, for what is left of its
    /// [`Place`](crate::Place) since it last tried. Without an attempt in between there is no need for another.
    HandedOver {
        /// The number of the place that the claim had. A claim that has another one by now was too late.
        place: u64,
        /// The fence token of the hold.
        fence: Fence,
    },
}

/// A source of hints that a key may have become free.
pub struct Watch(Option<Pin<Box<dyn Stream<Item = Hint> + Send>>>);

impl Watch {
    /// Hints from `stream`.
    pub fn new(stream: impl Stream<Item = Hint> + Send + 'static) -> Self {
        Self(Some(Box::pin(stream)))
    }

    /// No hints at all: the caller has to poll.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Whether hints can be expected.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.0.is_some()
    }

    /// Waits for the next hint; for ever if there will be none.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no hint is lost.
    pub async fn changed(&mut self) -> Hint {
        if let Some(stream) = &mut self.0 {
            if let Some(hint) = stream.next().await {
                return hint;
            }
            self.0 = None;
        }
        std::future::pending().await
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("live", &self.is_live()).finish()
    }
}
