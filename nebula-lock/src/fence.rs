//! Fence tokens.

use std::fmt;

/// A fence token: the number of an acquisition, greater than that of every earlier acquisition of the same key.
///
/// A lease can end while its holder is paused and does not know. The resource that the lock protects is safe
/// nevertheless if it remembers the greatest token it has seen and refuses writes with a smaller one, as
/// [`FenceGuard`](crate::FenceGuard) does in memory and [`FenceSql`](crate::FenceSql) in a database.
///
/// The idea is Martin Kleppmann's ("How to do distributed locking", 2016). Tokens are microseconds of the backend's
/// clock, or the successor of the last token where that is greater. They fit into a signed 64-bit column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fence(u64);

impl Fence {
    /// No token: what a backend gives that was told to give none. It is smaller than every token, and a
    /// [`FenceGuard`](crate::FenceGuard) refuses it, so that it cannot pass for protection. Whoever checks tokens otherwise has to refuse it, too.
    pub const NONE: Self = Self(0);

    /// A token from its number, for backends and for reading one back from storage.
    #[must_use]
    pub const fn new(token: u64) -> Self {
        Self(token)
    }

    /// Whether this is no token at all.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number as SQL databases store it, for which it is small enough for the next 290,000 years.
    #[must_use]
    pub const fn to_i64(self) -> i64 {
        if self.0 > i64::MAX as u64 { i64::MAX } else { self.0.cast_signed() }
    }
}

impl fmt::Display for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Fence> for u64 {
    fn from(fence: Fence) -> Self {
        fence.0
    }
}
