//! Proofs.

use std::{fmt, marker::PhantomData};

use super::{context::AuthContext, error::AccessError, requirement::DeclaredPermission};

/// A proof that whoever asks has the permission `P`. It takes no room and cannot be made by hand: a function that wants one
/// as an argument can only be called by code that has asked.
///
/// ```compile_fail,E0423
/// # nebula_auth::permissions! { order: [Delete = "order:delete"] }
/// fn forged() -> nebula_auth::access::Granted<order::Delete> {
///     nebula_auth::access::Granted(std::marker::PhantomData)
/// }
/// ```
pub struct Granted<P: DeclaredPermission>(PhantomData<fn() -> P>);

impl<P: DeclaredPermission> Granted<P> {
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }

    /// The proof for whoever asks in the current [`AuthContext`].
    ///
    /// # Errors
    /// As [`AuthContext::require`], and [`AccessError::NoContext`].
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn obtain() -> Result<Self, AccessError> {
        AuthContext::current()?.granted().await
    }
}

impl<P: DeclaredPermission> fmt::Debug for Granted<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Granted({})", P::PERMISSION.name())
    }
}
