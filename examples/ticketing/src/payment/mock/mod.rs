//! A payment provider to try the platform with: its books are a table, its bank is a button.
//!
//! It behaves like a real one where that matters: it signs its notifications, sends them again until they are
//! accepted, keeps its own books that can be asked, and refuses to take money for a charge that was closed.

mod books;
mod deliver;
mod http;
mod signature;

use async_trait::async_trait;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};

pub use self::http::routes;
use self::{
    books::{Books, Entry},
    deliver::Delivery,
    signature::Signer,
};
use super::provider::{BadNotification, Charge, ChargeState, Close, Notification, PaymentProvider, ProviderError};
use crate::{ids::PaymentId, money::Money, problem::Problem, storage::Database};

/// The mock provider.
#[derive(Clone, Debug)]
pub struct MockProvider {
    books: Books,
    delivery: Delivery,
}

/// Body of a notification.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NotificationBody {
    /// The payment that it speaks of.
    pub payment_id: PaymentId,
    /// The provider's name for the movement of money.
    pub txn: String,
    /// How much.
    pub amount: Money,
    /// What became of the charge.
    pub status: NotificationStatus,
}

/// What became of a charge, as notifications say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum NotificationStatus {
    /// The money was taken.
    Paid,
    /// The buyer or the bank refused.
    Declined,
}

impl MockProvider {
    /// A provider that keeps its books in `database` and sends notifications to `callback`, signed with `secret`.
    ///
    /// # Errors
    ///
    /// When the HTTP client cannot be set up.
    pub fn new(database: Database, callback: String, secret: &[u8]) -> Result<Self, reqwest::Error> {
        Ok(Self { books: Books::new(database), delivery: Delivery::new(callback, Signer::new(secret))? })
    }

    /// The buyer presses "pay" (`true`) or "decline": settles the books and notifies the platform.
    ///
    /// Answers the state of the charge; a charge that was closed stays closed.
    async fn decide(&self, payment: PaymentId, paid: bool) -> Result<Entry, Problem> {
        let entry = self.books.decide(payment, paid).await?;
        if let Some(body) = entry.notification(payment) {
            self.delivery.send(body).await;
        }
        Ok(entry)
    }
}

fn failed(context: &'static str) -> impl FnOnce(Problem) -> ProviderError {
    move |problem| ProviderError { context, source: Box::new(problem) }
}

#[async_trait]
impl PaymentProvider for MockProvider {
    fn name(&self) -> &'static str {
        "mock"
    }

    async fn open(&self, charge: &Charge) -> Result<String, ProviderError> {
        self.books.open(charge).await.map_err(failed("opening a charge"))?;
        Ok(format!("/pay/mock/{}", charge.payment))
    }

    async fn query(&self, payment: PaymentId) -> Result<ChargeState, ProviderError> {
        let entry = self.books.find(payment).await.map_err(failed("asking for a charge"))?;
        Ok(entry.map_or(ChargeState::Unknown, |entry| entry.charge_state()))
    }

    async fn close(&self, payment: PaymentId) -> Result<Close, ProviderError> {
        let entry = self.books.close(payment).await.map_err(failed("closing a charge"))?;
        Ok(match entry.map(|entry| entry.charge_state()) {
            Some(ChargeState::Paid { txn }) => Close::AlreadyPaid { txn },
            _ => Close::Closed,
        })
    }

    async fn refund(&self, payment: PaymentId, txn: &str, _reason: &str) -> Result<(), ProviderError> {
        self.books.refund(payment, txn).await.map_err(failed("refunding a charge"))
    }

    fn read_notification(&self, headers: &HeaderMap, body: &[u8]) -> Result<Notification, BadNotification> {
        let id = self.delivery.signer().check(headers, body)?;
        let body: NotificationBody =
            serde_json::from_slice(body).map_err(|error| BadNotification::Malformed(error.to_string()))?;
        Ok(Notification {
            id: id.to_owned(),
            payment: body.payment_id,
            txn: body.txn,
            amount: body.amount,
            paid: body.status == NotificationStatus::Paid,
        })
    }
}
