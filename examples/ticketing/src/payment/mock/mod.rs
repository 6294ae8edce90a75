//! A payment provider to try the platform with: its books are a table, its bank is a button.
//!
//! It behaves like a real one where that matters: it signs its notifications, sends them again until they are
//! accepted, keeps its own books that can be asked, and refuses to take money for a charge that was closed.

mod books;
mod deliver;
mod http;
mod link;
mod signature;

use async_trait::async_trait;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};

pub use self::http::routes;
use self::{
    books::{Books, Entry},
    deliver::Delivery,
    link::Links,
    signature::Signer,
};
use super::provider::{
    BadNotification, Charge, ChargeState, Close, News, Notification, PaymentProvider, ProviderError, RefundOrder,
    Returned, StatementLine, Till,
};
use crate::{
    day,
    ids::{PaymentId, RefundId},
    money::Money,
    problem::Problem,
    storage::Database,
};

/// The mock provider.
#[derive(Clone, Debug)]
pub struct MockProvider {
    books: Books,
    delivery: Delivery,
    links: Links,
}

/// Body of a notification: of a charge, or of a refund.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum MockNews {
    /// Of a charge.
    Charge(NotificationBody),
    /// Of a refund.
    Refund(RefundBody),
}

/// A notification of a refund.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundBody {
    /// The refund that it speaks of.
    pub refund_id: RefundId,
    /// Why the money does not go back; nothing when it does.
    pub refused: Option<String>,
}

/// A notification of a charge.
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
        let (links, signer) = (Links::new(secret), Signer::new(secret));
        Ok(Self { books: Books::new(database), delivery: Delivery::new(callback, signer)?, links })
    }

    /// The buyer presses "pay" (`true`) or "decline": settles the books and notifies the platform.
    ///
    /// Answers the state of the charge; a charge that was closed stays closed.
    async fn decide(&self, payment: PaymentId, paid: bool) -> Result<Entry, Problem> {
        let entry = self.books.decide(payment, paid).await?;
        if let Some(body) = entry.notification(payment) {
            self.delivery.send(MockNews::Charge(body)).await;
        }
        Ok(entry)
    }
}

fn failed(context: &'static str) -> impl FnOnce(Problem) -> ProviderError {
    move |problem| ProviderError::new(context, problem)
}

#[async_trait]
impl PaymentProvider for MockProvider {
    fn name(&self) -> &'static str {
        "mock"
    }

    async fn open(&self, charge: &Charge) -> Result<Till, ProviderError> {
        self.books.open(charge).await.map_err(failed("opening a charge"))?;
        Ok(Till { url: Some(format!("/pay/mock/{}", self.links.of(charge.payment))), qr: None })
    }

    async fn query(&self, payment: PaymentId) -> Result<ChargeState, ProviderError> {
        let entry = self.books.find(payment).await.map_err(failed("asking for a charge"))?;
        Ok(entry.map_or(ChargeState::Unknown, |entry| entry.charge_state()))
    }

    async fn close(&self, payment: PaymentId) -> Result<Close, ProviderError> {
        let entry = self.books.close(payment).await.map_err(failed("closing a charge"))?;
        Ok(match entry.map(|entry| entry.charge_state()) {
            Some(ChargeState::Paid(taken)) => Close::AlreadyPaid(taken),
            _ => Close::Closed,
        })
    }

    /// As real providers do, it takes the request, and notifies of what became of it.
    async fn refund(&self, refund: &RefundOrder) -> Result<Returned, ProviderError> {
        let outcome = self.books.refund(refund).await.map_err(failed("refunding a charge"))?;
        let refused = match outcome {
            Returned::Refused(why) => Some(why),
            _ => None,
        };
        self.delivery.send(MockNews::Refund(RefundBody { refund_id: refund.id, refused })).await;
        Ok(Returned::Processing)
    }

    async fn query_refund(&self, refund: &RefundOrder) -> Result<Returned, ProviderError> {
        let known = self.books.find_refund(refund).await.map_err(failed("asking for a refund"))?;
        Ok(known.unwrap_or(Returned::Unknown))
    }

    async fn statement(&self, day: jiff::civil::Date) -> Result<Vec<StatementLine>, ProviderError> {
        let lines = async { self.books.statement(day::bounds(day)?).await };
        lines.await.map_err(failed("writing the bill of a day"))
    }

    fn read_notification(&self, headers: &HeaderMap, body: &[u8]) -> Result<Notification, BadNotification> {
        let id = self.delivery.signer().check(headers, body)?;
        let news = match serde_json::from_slice(body) {
            Ok(MockNews::Charge(body)) => News::Charge {
                payment: body.payment_id,
                txn: body.txn,
                amount: body.amount,
                paid: body.status == NotificationStatus::Paid,
            },
            Ok(MockNews::Refund(body)) => {
                News::Refund { refund: body.refund_id, outcome: body.refused.map_or(Returned::Done, Returned::Refused) }
            }
            Err(error) => return Err(BadNotification::Malformed(error.to_string())),
        };
        Ok(Notification { id: id.to_owned(), news })
    }
}
