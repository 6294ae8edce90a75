//! What a payment provider has to offer.

use async_trait::async_trait;
use axum::http::HeaderMap;
use thiserror::Error;

use crate::{ids::PaymentId, money::Money};

/// A payment provider: takes money, says what became of it, gives it back.
///
/// # Contract
///
/// * `open`, `close` and `refund` may be repeated with the same payment and have their effect once.
/// * After `close` answered [`Close::Closed`] no charge of that payment can succeed any more.
/// * `read_notification` accepts only what the provider itself signed.
#[async_trait]
pub trait PaymentProvider: std::fmt::Debug + Send + Sync + 'static {
    /// The name kept with each payment.
    fn name(&self) -> &'static str;

    /// Opens a charge and answers where the buyer goes to pay.
    async fn open(&self, charge: &Charge) -> Result<String, ProviderError>;

    /// What became of a charge.
    async fn query(&self, payment: PaymentId) -> Result<ChargeState, ProviderError>;

    /// Makes sure that an unpaid charge stays unpaid.
    async fn close(&self, payment: PaymentId) -> Result<Close, ProviderError>;

    /// Returns the whole amount of a paid charge.
    async fn refund(&self, payment: PaymentId, txn: &str, reason: &str) -> Result<(), ProviderError>;

    /// Checks the signature of a notification and reads it.
    fn read_notification(&self, headers: &HeaderMap, body: &[u8]) -> Result<Notification, BadNotification>;
}

/// A charge to open.
#[derive(Clone, Copy, Debug)]
pub struct Charge {
    /// Our name for it; the provider knows it by this.
    pub payment: PaymentId,
    /// How much.
    pub amount: Money,
}

/// What a provider says of a charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChargeState {
    /// Nobody paid yet.
    Open,
    /// Paid, in this transaction of the provider's.
    Paid {
        /// The provider's name for the movement of money.
        txn: String,
    },
    /// The provider or the buyer's bank refused.
    Declined,
    /// Closed unpaid.
    Closed,
    /// The provider has no such charge: it was never opened.
    Unknown,
}

/// How closing ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Close {
    /// It can no longer be paid.
    Closed,
    /// Too late: it was paid in this transaction.
    AlreadyPaid {
        /// The provider's name for the movement of money.
        txn: String,
    },
}

/// A signed message of the provider.
#[derive(Clone, Debug)]
pub struct Notification {
    /// Different in each message: a message that comes twice is a replay.
    pub id: String,
    /// The payment that it speaks of.
    pub payment: PaymentId,
    /// The provider's name for the movement of money.
    pub txn: String,
    /// How much was paid.
    pub amount: Money,
    /// Whether it was paid.
    pub paid: bool,
}

/// Why a notification is not believed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadNotification {
    /// The signature or one of its parts is missing or wrong.
    #[error("{0}")]
    Signature(&'static str),
    /// Signed outside the accepted time window.
    #[error("the notification is {0}")]
    Stale(&'static str),
    /// Correctly signed, but not of the documented shape.
    #[error("the body is not a notification: {0}")]
    Malformed(String),
}

/// The provider could not be asked, or refused.
#[derive(Debug, Error)]
#[error("the payment provider failed: {context}")]
pub struct ProviderError {
    /// What was tried.
    pub context: &'static str,
    /// Why it failed.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}
