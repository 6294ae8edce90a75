//! Effects that happen once although their message comes twice.

mod listener;
mod memory;
#[cfg(feature = "redis")]
mod redis;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;

#[cfg(feature = "redis")]
pub use self::redis::RedisIdempotency;
pub use self::{listener::Idempotent, memory::MemoryIdempotency};
use crate::{LeaseToken, MessageId, QueueName, Result};

/// The answer to whoever wants to handle a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "only who may begin has the message to itself"]
pub enum Begin {
    /// Nobody has handled it and nobody else is at it.
    Fresh,
    /// Somebody is at it, for this long at most unless they say that they need longer.
    Busy(Duration),
    /// It has been handled.
    Done,
}

/// Remembers which messages took effect, for [`Idempotent`].
///
/// # Contract
///
/// - Of all that `begin` a message with different tokens, one gets `Fresh`; the others get `Busy` until its lease ends or
///   it abandons, and `Done` once it completed. The same token gets `Fresh` again and a new lease.
/// - `complete` records the message as done for `keep`, unless somebody else has begun meanwhile; tells whether it did.
/// - `abandon` lets others begin at once, if the token is the one that began and has not completed.
/// - Ids of different queues are independent.
#[async_trait]
pub trait IdempotencyStore: fmt::Debug + Send + Sync + 'static {
    /// Asks to handle a message, for `lease` at first.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open whether the message was taken; then it is free again when the lease ends.
    async fn begin(&self, queue: &QueueName, id: &MessageId, token: LeaseToken, lease: Duration) -> Result<Begin>;

    /// Says that the message took effect.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open whether it was recorded. Completing again is safe.
    async fn complete(&self, queue: &QueueName, id: &MessageId, token: LeaseToken, keep: Duration) -> Result<bool>;

    /// Says that the message had no effect.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves open whether it was freed. Abandoning again is safe.
    async fn abandon(&self, queue: &QueueName, id: &MessageId, token: LeaseToken) -> Result<()>;
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: IdempotencyStore + ?Sized> IdempotencyStore for Arc<S> {
    async fn begin(&self, queue: &QueueName, id: &MessageId, token: LeaseToken, lease: Duration) -> Result<Begin> {
        (**self).begin(queue, id, token, lease).await
    }

    async fn complete(&self, queue: &QueueName, id: &MessageId, token: LeaseToken, keep: Duration) -> Result<bool> {
        (**self).complete(queue, id, token, keep).await
    }

    async fn abandon(&self, queue: &QueueName, id: &MessageId, token: LeaseToken) -> Result<()> {
        (**self).abandon(queue, id, token).await
    }
}
