//! Enforcing fence tokens at the protected resource.

use std::fmt;

use parking_lot::Mutex;

use crate::fence::Fence;

/// A value in memory that is written only under the newest fence token it has seen.
///
/// One guard protects one resource, that is, what one lock key stands for: tokens of different keys cannot be compared.
///
/// ```
/// use nebula_lock::{Fence, FenceGuard};
///
/// let balance = FenceGuard::new(100);
/// balance.write(Fence::new(34), |balance| *balance -= 10)?;
/// // A holder whose lease ended while it slept, and who does not know.
/// let refused = balance.write(Fence::new(33), |balance| *balance -= 50).unwrap_err();
/// assert_eq!(refused.newest(), Fence::new(34));
/// assert_eq!(balance.read(|balance| *balance), 90);
/// # Ok::<_, nebula_lock::StaleFence>(())
/// ```
///
/// For SQL databases, see [`FenceSql`](crate::FenceSql).
#[derive(Debug, Default)]
pub struct FenceGuard<T> {
    state: Mutex<State<T>>,
}

#[derive(Debug, Default)]
struct State<T> {
    newest: Option<Fence>,
    value: T,
}

/// The token is older than one that the resource has seen: its lock has passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaleFence {
    token: Fence,
    newest: Fence,
}

impl<T> FenceGuard<T> {
    /// A value that has seen no token yet.
    pub const fn new(value: T) -> Self {
        Self { state: Mutex::new(State { newest: None, value }) }
    }

    /// Lets `write` at the value if no newer token than `fence` was seen. A token may be used repeatedly.
    ///
    /// # Errors
    ///
    /// [`StaleFence`] for an older token, and for [`Fence::NONE`]; `write` is not called then.
    pub fn write<R>(&self, fence: Fence, write: impl FnOnce(&mut T) -> R) -> Result<R, StaleFence> {
        let mut state = self.state.lock();
        let newest = state.newest.unwrap_or(Fence::NONE);
        if fence < newest || fence.is_none() {
            return Err(StaleFence { token: fence, newest });
        }
        state.newest = Some(fence);
        Ok(write(&mut state.value))
    }

    /// Lets `read` at the value; reading needs no token.
    pub fn read<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        read(&self.state.lock().value)
    }

    /// The newest token seen.
    #[must_use]
    pub fn newest(&self) -> Option<Fence> {
        self.state.lock().newest
    }
}

impl StaleFence {
    /// The token that was refused.
    #[must_use]
    pub const fn token(&self) -> Fence {
        self.token
    }

    /// The newest token that the resource has seen.
    #[must_use]
    pub const fn newest(&self) -> Fence {
        self.newest
    }
}

impl fmt::Display for StaleFence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.token.is_none() {
            return f.write_str("no fence token: the lock was taken without one");
        }
        write!(f, "stale fence token {}: {} was seen already", self.token, self.newest)
    }
}

impl std::error::Error for StaleFence {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_write_is_accepted_exactly_if_its_token_is_the_newest(tokens in prop::collection::vec(0..20_u64, 1..50)) {
            let guard = FenceGuard::new(0);
            let mut newest = 0;
            let mut accepted = 0;
            for token in tokens {
                let outcome = guard.write(Fence::new(token), |count| *count += 1);
                prop_assert_eq!(outcome.is_ok(), token >= newest && token > 0);
                newest = newest.max(token);
                let seen = Some(Fence::new(newest)).filter(|newest| !newest.is_none());
                accepted += i32::from(outcome.is_ok());
                prop_assert_eq!(guard.newest(), seen);
            }
            prop_assert_eq!(guard.read(|count| *count), accepted);
        }
    }
}
