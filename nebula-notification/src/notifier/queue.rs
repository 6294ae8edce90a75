use std::{fmt, sync::Arc, time::SystemTime};

use async_trait::async_trait;

use crate::error::Result;

/// Reminds of jobs: a delay queue, joined to the notifier by the application.
///
/// The listener of the queue calls [`Notifier::run`](crate::Notifier::run). It is a matter of speed: what is forgotten is found by the
/// [pump](crate::Notifier::start), and what is reminded of twice is done once.
///
/// # Contract
///
/// - `later_is_heard_once_or_more`: after `Ok`, [`Notifier::run`](crate::Notifier::run) is called with that id at that time or later.
#[async_trait]
pub trait RetryQueue: fmt::Debug + Send + Sync + 'static {
    /// Reminds of a job at a time.
    async fn later(&self, job: &str, at: SystemTime) -> Result<()>;
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<Q: RetryQueue + ?Sized> RetryQueue for Arc<Q> {
    async fn later(&self, job: &str, at: SystemTime) -> Result<()> {
        (**self).later(job, at).await
    }
}
