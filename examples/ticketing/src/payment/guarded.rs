//! A provider that is left alone for a while when it is too slow.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::http::HeaderMap;
use jiff::civil::Date;
use nebula_cache::{BreakerConfig, CircuitBreaker};
use thiserror::Error;

use super::provider::{
    Acknowledgement, BadNotification, Charge, ChargeState, Close, Notification, PaymentProvider, ProviderError,
    RefundOrder, Returned, StatementLine, Till,
};
use crate::{breaker::Circuit, ids::PaymentId};

/// Nothing was tried.
#[derive(Clone, Copy, Debug, Error)]
#[error("the provider was too slow or failed too often, and is left alone for {retry_after:?}")]
pub(super) struct LeftAlone {
    /// For so long.
    pub(super) retry_after: Duration,
}

/// A provider behind a circuit breaker.
#[derive(Debug)]
pub struct Guarded {
    inner: Arc<dyn PaymentProvider>,
    breaker: Arc<CircuitBreaker>,
}

impl Guarded {
    /// Half of at least five calls fail, or take longer than a second: ten seconds of peace.
    #[must_use]
    pub fn new(inner: Arc<dyn PaymentProvider>) -> Self {
        let config = BreakerConfig::default()
            .with_min_calls(5)
            .with_failure_ratio(0.5)
            .with_failures_in_a_row(5)
            .with_slow_after(Duration::from_secs(1))
            .with_open_for(Duration::from_secs(10));
        Self { inner, breaker: Arc::new(CircuitBreaker::new(config)) }
    }

    /// What guards it.
    #[must_use]
    pub fn circuit(&self) -> Circuit {
        Circuit { part: self.inner.name(), breaker: Arc::clone(&self.breaker) }
    }

    async fn call<T>(
        &self,
        context: &'static str,
        call: impl Future<Output = Result<T, ProviderError>> + Send,
    ) -> Result<T, ProviderError> {
        let pass = self.breaker.try_call().map_err(|refused| {
            metrics::counter!("ticketing_payment_refused_total", "provider" => self.inner.name()).increment(1);
            ProviderError::new(context, LeftAlone { retry_after: refused.retry_after })
        })?;
        let answer = call.await;
        if answer.is_ok() {
            pass.succeeded();
        } else {
            pass.failed();
        }
        answer
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl PaymentProvider for Guarded {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    async fn open(&self, charge: &Charge) -> Result<Till, ProviderError> {
        self.call("opening a charge", self.inner.open(charge)).await
    }

    async fn query(&self, payment: PaymentId) -> Result<ChargeState, ProviderError> {
        self.call("asking for a charge", self.inner.query(payment)).await
    }

    async fn close(&self, payment: PaymentId) -> Result<Close, ProviderError> {
        self.call("closing a charge", self.inner.close(payment)).await
    }

    async fn refund(&self, refund: &RefundOrder) -> Result<Returned, ProviderError> {
        self.call("refunding a charge", self.inner.refund(refund)).await
    }

    async fn query_refund(&self, refund: &RefundOrder) -> Result<Returned, ProviderError> {
        self.call("asking for a refund", self.inner.query_refund(refund)).await
    }

    /// Bills take as long as they take, and say nothing of payments.
    async fn statement(&self, day: Date) -> Result<Vec<StatementLine>, ProviderError> {
        self.inner.statement(day).await
    }

    fn read_notification(&self, headers: &HeaderMap, body: &[u8]) -> Result<Notification, BadNotification> {
        self.inner.read_notification(headers, body)
    }

    fn acknowledgement(&self) -> Acknowledgement {
        self.inner.acknowledgement()
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::problem::{Code, Problem};

    /// Answers each question as late as it is told to.
    #[derive(Debug)]
    struct Slow(Mutex<Duration>);

    #[async_trait]
    impl PaymentProvider for Slow {
        fn name(&self) -> &'static str {
            "slow"
        }

        async fn open(&self, _: &Charge) -> Result<Till, ProviderError> {
            Ok(Till::default())
        }

        async fn query(&self, _: PaymentId) -> Result<ChargeState, ProviderError> {
            let late = *self.0.lock();
            tokio::time::sleep(late).await;
            Ok(ChargeState::Open)
        }

        async fn close(&self, _: PaymentId) -> Result<Close, ProviderError> {
            Ok(Close::Closed)
        }

        async fn refund(&self, _: &RefundOrder) -> Result<Returned, ProviderError> {
            Ok(Returned::Done)
        }

        async fn query_refund(&self, _: &RefundOrder) -> Result<Returned, ProviderError> {
            Ok(Returned::Done)
        }

        async fn statement(&self, _: Date) -> Result<Vec<StatementLine>, ProviderError> {
            Ok(Vec::new())
        }

        fn read_notification(&self, _: &HeaderMap, _: &[u8]) -> Result<Notification, BadNotification> {
            Err(BadNotification::Signature("never"))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_provider_is_left_alone_for_ten_seconds_and_then_asked_once() {
        let slow = Arc::new(Slow(Mutex::new(Duration::from_millis(1_001))));
        let guarded = Guarded::new(Arc::clone(&slow) as Arc<dyn PaymentProvider>);
        for _ in 0..5 {
            guarded.query(PaymentId::new()).await.unwrap();
        }
        let problem = Problem::from(guarded.query(PaymentId::new()).await.unwrap_err());
        assert_eq!(problem.code, Code::Busy);
        tokio::time::advance(Duration::from_secs(9)).await;
        assert!(guarded.query(PaymentId::new()).await.is_err());
        assert!(guarded.statement(jiff::civil::date(2026, 11, 21)).await.is_ok(), "bills are something else");
        tokio::time::advance(Duration::from_secs(1)).await;
        // Still slow: another ten seconds.
        guarded.query(PaymentId::new()).await.unwrap();
        assert!(guarded.query(PaymentId::new()).await.is_err());
        *slow.0.lock() = Duration::from_millis(10);
        tokio::time::advance(Duration::from_secs(10)).await;
        for _ in 0..10 {
            guarded.query(PaymentId::new()).await.unwrap();
        }
    }
}
