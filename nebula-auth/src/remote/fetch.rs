//! Where published keys come from.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::error::Error;

/// Fetches a JWK set. With the feature `http`, `HttpKeys` does it.
///
/// # Contract
/// - The answer has a bounded size and comes within a bounded time; [`RemoteKeys`](super::RemoteKeys) waits no longer than
///   its own deadline in any case.
#[async_trait]
pub trait KeyFetch: fmt::Debug + Send + Sync + 'static {
    /// The text of the set.
    ///
    /// # Errors
    /// When it cannot be had.
    ///
    /// # Cancel safety
    /// Implementations only read, so dropping the future has no effect.
    async fn fetch(&self) -> Result<Vec<u8>, Error>;
}

#[async_trait]
impl<T: KeyFetch + ?Sized> KeyFetch for Arc<T> {
    async fn fetch(&self) -> Result<Vec<u8>, Error> {
        (**self).fetch().await
    }
}
