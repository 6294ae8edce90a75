//! What a payment provider has to offer.

use async_trait::async_trait;
use axum::http::HeaderMap;
use jiff::civil::Date;
use thiserror::Error;

use crate::{
    clock::Millis,
    ids::{PaymentId, RefundId},
    money::Money,
};

/// A payment provider: takes money, says what became of it, gives it back, and sends a bill of each day.
///
/// # Contract
///
/// * `open` and `close` may be repeated with the same payment, `refund` with the same refund; each has its effect once.
/// * After `close` answered [`Close::Closed`] no charge of that payment can succeed any more; where a provider cannot close
///   what nobody has begun to pay, at the latest from the charge's `expires_at` on.
/// * The refunds of a charge never add up to more than the charge.
/// * `read_notification` accepts only what the provider itself signed.
/// * `statement` lists every charge and every refund that succeeded on that day, as the provider counts days.
#[async_trait]
pub trait PaymentProvider: std::fmt::Debug + Send + Sync + 'static {
    /// The name kept with each payment, and in the address of its notifications.
    fn name(&self) -> &'static str;

    /// Opens a charge and answers where the buyer pays.
    async fn open(&self, charge: &Charge) -> Result<Till, ProviderError>;

    /// What became of a charge.
    async fn query(&self, payment: PaymentId) -> Result<ChargeState, ProviderError>;

    /// Makes sure that an unpaid charge stays unpaid.
    async fn close(&self, payment: PaymentId) -> Result<Close, ProviderError>;

    /// Returns a part of a paid charge, or all of it.
    async fn refund(&self, refund: &RefundOrder) -> Result<Returned, ProviderError>;

    /// What became of a refund.
    async fn query_refund(&self, refund: &RefundOrder) -> Result<Returned, ProviderError>;

    /// The bill of a day that is over.
    async fn statement(&self, day: Date) -> Result<Vec<StatementLine>, ProviderError>;

    /// Checks the signature of a notification and reads it.
    fn read_notification(&self, headers: &HeaderMap, body: &[u8]) -> Result<Notification, BadNotification>;

    /// What the provider wants to read when its notification was acted on.
    fn acknowledgement(&self) -> Acknowledgement {
        Acknowledgement::Json
    }
}

/// A charge to open.
#[derive(Clone, Copy, Debug)]
pub struct Charge {
    /// Our name for it; the provider knows it by this.
    pub payment: PaymentId,
    /// How much.
    pub amount: Money,
    /// When the time to pay is over.
    pub expires_at: Millis,
}

/// Where a buyer pays: at least one of the two is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Till {
    /// A page of the provider.
    pub url: Option<String>,
    /// What the QR code says that the buyer's app reads.
    pub qr: Option<String>,
}

/// What a provider says of a charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChargeState {
    /// Nobody paid yet.
    Open,
    /// Paid, in this transaction of the provider's.
    Paid(Taken),
    /// The provider or the buyer's bank refused.
    Declined,
    /// Closed unpaid.
    Closed,
    /// The provider has no such charge: it was never opened.
    Unknown,
}

/// Money that a provider took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The provider's name for the movement of money.
    pub txn: String,
    /// How much.
    pub amount: Money,
}

/// How closing ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Close {
    /// It can no longer be paid.
    Closed,
    /// Too late: it was paid in this transaction.
    AlreadyPaid(Taken),
}

/// Money to return.
#[derive(Clone, Debug)]
pub struct RefundOrder {
    /// Our name for it; the provider knows it by this.
    pub id: RefundId,
    /// The payment whose money goes back.
    pub payment: PaymentId,
    /// The charge, by the provider's name.
    pub txn: String,
    /// How much goes back.
    pub amount: Money,
    /// How much the charge was.
    pub charged: Money,
    /// Why.
    pub reason: String,
}

/// What a provider says of a refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Returned {
    /// The money is back.
    Done,
    /// The provider works on it, and will notify.
    Processing,
    /// The provider will not do it, whatever is tried.
    Refused(String),
    /// The provider has no such refund: it was never asked for.
    Unknown,
}

/// A line of a provider's bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementLine {
    /// What it is.
    pub entry: StatementEntry,
    /// How much, never negative.
    pub amount: Money,
}

/// What a line of a bill speaks of, by the names that both sides use. Names that are not ours are kept as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatementEntry {
    /// A charge.
    Charge {
        /// The provider's name for it.
        txn: String,
        /// Our name for the payment.
        payment: String,
    },
    /// A refund.
    Refund {
        /// Our name for it.
        refund: String,
    },
}

/// A signed message of the provider.
#[derive(Clone, Debug)]
pub struct Notification {
    /// Different in each message: a message that comes twice is a replay.
    pub id: String,
    /// What it says.
    pub news: News,
}

/// What a notification says.
#[derive(Clone, Debug)]
pub enum News {
    /// Of a charge.
    Charge {
        /// The payment that it speaks of.
        payment: PaymentId,
        /// The provider's name for the movement of money.
        txn: String,
        /// How much was paid.
        amount: Money,
        /// Whether it was paid.
        paid: bool,
    },
    /// Of a refund.
    Refund {
        /// The refund that it speaks of.
        refund: RefundId,
        /// What became of it.
        outcome: Returned,
    },
    /// Nothing that has to be acted on.
    Nothing,
}

/// What a provider wants to read when its notification was acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledgement {
    /// What the notification led to, as JSON.
    Json,
    /// This word; another one is written when the notification was refused.
    Word {
        /// After success.
        accepted: &'static str,
        /// After a refusal or a failure.
        refused: &'static str,
    },
    /// An empty answer.
    Empty,
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

impl ProviderError {
    /// What was tried, and why it failed.
    pub fn new(context: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { context, source: source.into() }
    }
}
