//! What macros expand to.

pub use crate::access::Requirement;
#[cfg(feature = "axum")]
pub use ::axum::response::{IntoResponse, Response};
pub use std::borrow::Cow;

use crate::access::AccessError;

/// # Errors
/// What is missing.
///
/// # Cancel safety
/// Safe: only reads.
pub async fn require(requirement: &Requirement) -> Result<(), AccessError> {
    crate::access::require(requirement).await
}

/// The same error for functions that return one of their own.
#[must_use]
pub fn refuse<E: From<AccessError>>(error: AccessError) -> E {
    E::from(error)
}

#[must_use]
pub const fn declared(all: &[&str], name: &str) -> bool {
    let mut at = 0;
    while at < all.len() {
        if same(all[at], name) {
            return true;
        }
        at += 1;
    }
    false
}

#[must_use]
pub const fn all_different(all: &[&str]) -> bool {
    let mut at = 0;
    while at < all.len() {
        let mut other = 0;
        while other < at {
            if same(all[at], all[other]) {
                return false;
            }
            other += 1;
        }
        at += 1;
    }
    true
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}
