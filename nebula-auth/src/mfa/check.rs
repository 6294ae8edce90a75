//! What came of a code.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use secrecy::SecretString;

use super::FactorProof;
use crate::error::Error;

/// What came of a code.
#[derive(Debug)]
#[must_use]
pub enum FactorCheck {
    /// It is right, and used up.
    Accepted(FactorProof),
    /// It is not accepted.
    Refused(FactorRefusal),
}

impl FactorCheck {
    /// The proof.
    ///
    /// # Errors
    /// The reason, for a refused code.
    pub fn into_result(self) -> Result<FactorProof, FactorRefusal> {
        match self {
            Self::Accepted(proof) => Ok(proof),
            Self::Refused(refusal) => Err(refusal),
        }
    }
}

/// Why a code is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FactorRefusal {
    /// Wrong, expired, or nothing was set up or sent; deliberately not told apart.
    WrongCode,
    /// The code was used before, or one that came later was.
    Replayed,
    /// Too many wrong codes for this challenge; begin the login again.
    Exhausted,
    /// Too many attempts; try again later.
    Throttled {
        /// How long to wait.
        retry_after: Duration,
    },
}

impl FactorRefusal {
    /// A stable machine-readable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::WrongCode => "wrong_code",
            Self::Replayed => "otp_replayed",
            Self::Exhausted => "challenge_exhausted",
            Self::Throttled { .. } => "account_throttled",
        }
    }
}

impl fmt::Display for FactorRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongCode => "the code is wrong or has expired",
            Self::Replayed => "the code has been used before; wait for the next one",
            Self::Exhausted => "too many wrong codes; log in again",
            Self::Throttled { .. } => "too many attempts; try again later",
        })
    }
}

impl std::error::Error for FactorRefusal {}

/// A factor that a login can ask for.
///
/// # Contract
/// - `check` counts the attempt before it compares, for each subject and whatever challenge it comes from.
/// - A code is accepted once, whoever else presents it at the same moment.
#[async_trait]
pub trait SecondFactor: fmt::Debug + Send + Sync + 'static {
    /// Whether the subject has set it up.
    ///
    /// # Errors
    /// When that cannot be found out; nobody is let through then.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    async fn is_enrolled(&self, subject: &str) -> Result<bool, Error>;

    /// Checks a code.
    ///
    /// # Errors
    /// When it cannot be found out whether it is right.
    ///
    /// # Cancel safety
    /// The attempt may have been counted, and the code used up.
    async fn check(&self, subject: &str, code: &SecretString) -> Result<FactorCheck, Error>;
}

#[async_trait]
impl<T: SecondFactor + ?Sized> SecondFactor for Arc<T> {
    async fn is_enrolled(&self, subject: &str) -> Result<bool, Error> {
        (**self).is_enrolled(subject).await
    }

    async fn check(&self, subject: &str, code: &SecretString) -> Result<FactorCheck, Error> {
        (**self).check(subject, code).await
    }
}
