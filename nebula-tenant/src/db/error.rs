//! Why a statement gave no answer.

use crate::error::Error;
use crate::wall::Refusal;

/// Why a statement behind the wall gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DbError {
    /// Nobody said whose work it is, or it is another tenant's than the transaction's.
    #[error(transparent)]
    Tenant(#[from] Error),
    /// The wall does not let it pass.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database says no, or nothing.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl DbError {
    /// Whether the same call may succeed a moment later, as far as can be told: the network failed, or the pool had no
    /// connection in time. A statement that was under way may have taken effect.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Tenant(error) => error.is_retryable(),
            Self::Refused(_) => false,
            Self::Database(error) => matches!(error, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut),
        }
    }
}
