//! The typed message and its builder.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, SystemTime},
};

use serde::Serialize;

use crate::{Error, ErrorKind, MessageId, Priority, RawMessage, Result, RetryPolicy, Schedule, error::BoxError};

/// The header that carries the W3C trace context.
pub const TRACEPARENT: &str = "traceparent";

/// A message to send: a body of any serde type and when it is due.
///
/// ```
/// use std::time::Duration;
/// use nebula_delay_queue::{DelayMessage, Priority, RetryPolicy};
///
/// let timeout = DelayMessage::builder()
///     .body(4711u64)
///     .id("order:4711:timeout")
///     .delay(Duration::from_secs(15 * 60))
///     .priority(Priority::High)
///     .retry(RetryPolicy::fixed(3, Duration::from_secs(60)))
///     .build()?;
/// assert_eq!(timeout.id().as_str(), "order:4711:timeout");
/// # Ok::<(), nebula_delay_queue::Error>(())
/// ```
///
/// The id is fixed when the message is built, so sending the same `DelayMessage` again after an unclear failure does
/// not make a second one.
#[derive(Clone, PartialEq)]
pub struct DelayMessage<T> {
    pub(crate) body: T,
    pub(crate) envelope: RawMessage,
}

impl<T> DelayMessage<T> {
    /// A message that is due at once, with a fresh id.
    #[must_use]
    pub fn new(body: T) -> Self {
        Self { body, envelope: RawMessage::new(MessageId::random(), Vec::new()) }
    }

    /// Starts a message.
    pub fn builder() -> DelayMessageBuilder<T, NoBody> {
        DelayMessageBuilder {
            body: NoBody,
            body_type: std::marker::PhantomData,
            id: None,
            schedule: Schedule::NOW,
            priority: Priority::Normal,
            retry: None,
            headers: BTreeMap::new(),
            expires_after: None,
            failed: None,
        }
    }

    /// The message's identity.
    #[must_use]
    pub fn id(&self) -> &MessageId {
        &self.envelope.id
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &T {
        &self.body
    }

    /// When it is due.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        self.envelope.schedule
    }
}

impl<T: Serialize> DelayMessage<T> {
    /// The message as backends store it, with a JSON body.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Codec`] if the body does not serialise, [`ErrorKind::TooLarge`] if it is over the limit.
    pub fn encode(&self) -> Result<RawMessage> {
        let body = serde_json::to_vec(&self.body).map_err(|error| {
            Error::new(ErrorKind::Codec, format!("encoding message {}", self.envelope.id)).with_source(error)
        })?;
        let mut raw = self.envelope.clone();
        raw.body = body.into();
        raw.check()?;
        Ok(raw)
    }
}

/// Bodies are the users' data: they stay out of logs.
impl<T> fmt::Debug for DelayMessage<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DelayMessage")
            .field("id", &self.envelope.id)
            .field("schedule", &self.envelope.schedule)
            .field("priority", &self.envelope.priority)
            .finish_non_exhaustive()
    }
}

/// A builder that has no body yet, and so cannot build.
#[derive(Clone, Copy, Debug)]
pub struct NoBody;

/// Builds a [`DelayMessage`]; see there.
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct DelayMessageBuilder<T, B = T> {
    body: B,
    body_type: std::marker::PhantomData<fn() -> T>,
    id: Option<MessageId>,
    schedule: Schedule,
    priority: Priority,
    retry: Option<RetryPolicy>,
    headers: BTreeMap<String, String>,
    expires_after: Option<Duration>,
    failed: Option<Error>,
}

impl<T> DelayMessageBuilder<T, NoBody> {
    /// Sets the body.
    pub fn body(self, body: T) -> DelayMessageBuilder<T> {
        DelayMessageBuilder {
            body,
            body_type: self.body_type,
            id: self.id,
            schedule: self.schedule,
            priority: self.priority,
            retry: self.retry,
            headers: self.headers,
            expires_after: self.expires_after,
            failed: self.failed,
        }
    }
}

impl<T, B> DelayMessageBuilder<T, B> {
    /// Due this long after the backend accepts it: 0 (the default) to 365 days.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.schedule = Schedule::After(delay);
        self
    }

    /// Due at this time, at most 365 days from now; a time in the past means at once.
    pub fn due_at(mut self, time: SystemTime) -> Self {
        self.schedule = Schedule::At(time);
        self
    }

    /// The message's identity: while a message with this id is in the queue (waiting, being handled, or a dead letter),
    /// another one is a duplicate. A fresh UUID by default.
    pub fn id<I>(mut self, id: I) -> Self
    where
        I: TryInto<MessageId>,
        I::Error: Into<Error>,
    {
        match id.try_into() {
            Ok(id) => self.id = Some(id),
            Err(error) => self.fail(error.into()),
        }
        self
    }

    /// Which of several due messages goes first.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// The message's own retry policy; the worker's applies otherwise.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = Some(policy);
        self
    }

    /// Adds a header. Names have 1 to 128 bytes of printable ASCII without spaces.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        if name.is_empty() || name.len() > 128 || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            self.fail(Error::new(ErrorKind::InvalidName, format!("header name {name:?}")));
        } else {
            self.headers.insert(name, value.into());
        }
        self
    }

    /// The sender's W3C `traceparent`, which the worker attaches to the handler's span.
    pub fn trace_context(self, traceparent: impl Into<String>) -> Self {
        self.header(TRACEPARENT, traceparent)
    }

    /// How long after its due time the message is still worth handling. After that it becomes a dead letter unseen.
    pub fn expires_after(mut self, ttl: Duration) -> Self {
        self.expires_after = Some(ttl);
        self
    }

    fn fail(&mut self, error: Error) {
        self.failed.get_or_insert(error);
    }
}

impl<T> DelayMessageBuilder<T> {
    /// Builds the message.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`] for a bad id or header name, [`ErrorKind::InvalidMessage`] for a delay over 365 days,
    /// [`ErrorKind::TooLarge`] for too many header bytes.
    pub fn build(self) -> Result<DelayMessage<T>> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let mut envelope = RawMessage::new(self.id.unwrap_or_else(MessageId::random), Vec::new());
        envelope.schedule = self.schedule;
        envelope.priority = self.priority;
        envelope.retry = self.retry;
        envelope.headers = self.headers;
        envelope.expires_after = self.expires_after;
        envelope.check()?;
        Ok(DelayMessage { body: self.body, envelope })
    }
}

/// Decodes a JSON body.
pub(crate) fn decode<T: serde::de::DeserializeOwned>(body: &[u8]) -> std::result::Result<T, BoxError> {
    serde_json::from_slice(body).map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MAX_BODY_BYTES, MAX_DELAY};

    #[test]
    fn delays_run_from_zero_to_a_year() {
        for good in [Duration::ZERO, Duration::from_nanos(1), MAX_DELAY] {
            DelayMessage::builder().body(1).delay(good).build().unwrap();
        }
        for bad in [MAX_DELAY + Duration::from_nanos(1), Duration::MAX] {
            let error = DelayMessage::builder().body(1).delay(bad).build().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidMessage);
        }
        DelayMessage::builder().body(1).due_at(SystemTime::UNIX_EPOCH).build().unwrap();
        let far = SystemTime::now() + MAX_DELAY + Duration::from_secs(60);
        assert_eq!(DelayMessage::builder().body(1).due_at(far).build().unwrap_err().kind(), ErrorKind::InvalidMessage);
    }

    #[test]
    fn a_bad_id_or_header_is_reported_by_build() {
        let error = DelayMessage::builder().id("").body(()).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidName);
        let error = DelayMessage::builder().header("a b", "c").body(()).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidName);
        let error = DelayMessage::builder().header("a", "c".repeat(20_000)).body(()).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn bodies_are_bounded_and_must_serialise() {
        let error = DelayMessage::new("x".repeat(MAX_BODY_BYTES)).encode().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        let unserialisable = BTreeMap::from([((1, 2), 3)]);
        assert_eq!(DelayMessage::new(unserialisable).encode().unwrap_err().kind(), ErrorKind::Codec);
    }

    #[test]
    fn bodies_stay_out_of_debug() {
        let message = DelayMessage::new("secret");
        assert!(!format!("{message:?} {:?}", message.encode().unwrap()).contains("secret"));
    }
}
