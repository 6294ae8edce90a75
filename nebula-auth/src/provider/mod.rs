//! Ways to prove who one is.

mod credentials;
mod password;

use std::{fmt, sync::Arc};

use async_trait::async_trait;

pub use self::{
    credentials::{
        Authenticated as AuthenticatedSubject, Authentication, AuthenticationRefusal, Credentials,
        SecondFactorChallenge,
    },
    password::{PasswordAccount, PasswordAccounts, PasswordProvider},
};
use crate::error::Error;

/// One way to prove who one is: a password, a one-time code, another identity provider.
///
/// # Contract
/// - Credentials that are wrong, unknown, locked or disabled are a [`Authentication::Refused`], never an `Err`.
/// - Credentials of a kind that this provider does not handle are [`Authentication::Unsupported`], so that providers
///   can be asked in turn.
/// - Neither the answer nor the time taken tells whether the subject exists.
#[async_trait]
pub trait AuthenticationProvider: fmt::Debug + Send + Sync + 'static {
    /// Checks the credentials.
    ///
    /// # Errors
    /// When it cannot be found out whether they are right.
    ///
    /// # Cancel safety
    /// Stated by each provider.
    async fn authenticate(&self, credentials: &Credentials) -> Result<Authentication, Error>;
}

#[async_trait]
impl<T: AuthenticationProvider + ?Sized> AuthenticationProvider for Arc<T> {
    async fn authenticate(&self, credentials: &Credentials) -> Result<Authentication, Error> {
        (**self).authenticate(credentials).await
    }
}
