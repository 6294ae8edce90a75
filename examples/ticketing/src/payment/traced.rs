//! A provider whose calls are spans.

use std::sync::Arc;

use async_trait::async_trait;
use axum::http::HeaderMap;
use jiff::civil::Date;
use tracing::{Instrument, field::Empty};

use super::provider::{
    Acknowledgement, BadNotification, Charge, ChargeState, Close, Notification, PaymentProvider, ProviderError,
    RefundOrder, Returned, StatementLine, Till,
};
use crate::ids::PaymentId;

/// Tells in traces what a provider was asked for, and for how long.
#[derive(Debug)]
pub struct Traced(Arc<dyn PaymentProvider>);

impl Traced {
    /// The provider, with spans.
    #[must_use]
    pub fn new(inner: Arc<dyn PaymentProvider>) -> Self {
        Self(inner)
    }

    async fn call<T>(
        &self,
        call: &'static str,
        asked: impl Future<Output = Result<T, ProviderError>> + Send,
    ) -> Result<T, ProviderError> {
        let provider = self.0.name();
        let span = tracing::info_span!("payment", provider, call, otel.kind = "client", otel.status_code = Empty);
        let answer = asked.instrument(span.clone()).await;
        if answer.is_err() {
            span.record("otel.status_code", "ERROR");
        }
        answer
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl PaymentProvider for Traced {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    async fn open(&self, charge: &Charge) -> Result<Till, ProviderError> {
        self.call("open", self.0.open(charge)).await
    }

    async fn query(&self, payment: PaymentId) -> Result<ChargeState, ProviderError> {
        self.call("query", self.0.query(payment)).await
    }

    async fn close(&self, payment: PaymentId) -> Result<Close, ProviderError> {
        self.call("close", self.0.close(payment)).await
    }

    async fn refund(&self, refund: &RefundOrder) -> Result<Returned, ProviderError> {
        self.call("refund", self.0.refund(refund)).await
    }

    async fn query_refund(&self, refund: &RefundOrder) -> Result<Returned, ProviderError> {
        self.call("query refund", self.0.query_refund(refund)).await
    }

    async fn statement(&self, day: Date) -> Result<Vec<StatementLine>, ProviderError> {
        self.call("statement", self.0.statement(day)).await
    }

    fn read_notification(&self, headers: &HeaderMap, body: &[u8]) -> Result<Notification, BadNotification> {
        self.0.read_notification(headers, body)
    }

    fn acknowledgement(&self) -> Acknowledgement {
        self.0.acknowledgement()
    }
}
