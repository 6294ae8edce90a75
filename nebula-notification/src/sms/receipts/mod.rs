//! What SMS providers post about messages that they have taken.

#[cfg(feature = "axum")]
mod routes;

use std::{fmt, sync::Arc};

#[cfg(feature = "axum")]
pub use self::routes::ReceiptRoutes;
use crate::{error::Result, record::DeliveryReceipt};

/// Reads the receipts of one provider.
///
/// Providers do not sign them: take them at a path that nobody can guess, as `ReceiptRoutes` (feature `axum`) does, and give them to
/// [`Notifier::receipt`](crate::Notifier::receipt), which believes only what concerns an attempt on record.
pub trait ReceiptReader: fmt::Debug + Send + Sync + 'static {
    /// The provider's name, as its attempts have it: `aliyun`.
    fn provider(&self) -> &str;

    /// The receipts of one request.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidReceipt`](crate::ErrorKind::InvalidReceipt) if this is no such list.
    fn receipts(&self, body: &[u8]) -> Result<Vec<DeliveryReceipt>>;

    /// What to answer the provider with, as JSON, when its receipts are stored; with anything else it comes again.
    fn answer(&self) -> &'static str;
}

#[deny(clippy::missing_trait_methods)]
impl<R: ReceiptReader + ?Sized> ReceiptReader for Arc<R> {
    fn provider(&self) -> &str {
        (**self).provider()
    }

    fn receipts(&self, body: &[u8]) -> Result<Vec<DeliveryReceipt>> {
        (**self).receipts(body)
    }

    fn answer(&self) -> &'static str {
        (**self).answer()
    }
}
