//! The message as backends see it: bytes with an envelope.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    Error, ErrorKind, MessageId, Result, RetryPolicy,
    clock::{ceil_ms, duration_ms, floor_ms},
};

/// The longest delay: 365 days.
pub const MAX_DELAY: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The largest body, in bytes. Larger things belong into a store, with their address in the message.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The most that all header names and values may take together, in bytes.
pub const MAX_HEADER_BYTES: usize = 16 * 1024;

/// Which of several due messages is handed out first.
///
/// Strict: as long as high messages are due, no normal one is claimed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// After everything else.
    Low,
    /// The default.
    #[default]
    Normal,
    /// Before everything else.
    High,
}

impl Priority {
    /// All priorities, the most urgent first.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// 0 for high, 1 for normal, 2 for low: the order in which backends look.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::High => 0,
            Self::Normal => 1,
            Self::Low => 2,
        }
    }

    #[cfg(any(feature = "sql", feature = "redis", feature = "rabbitmq"))]
    pub(crate) const fn from_rank(rank: i64) -> Self {
        match rank {
            0 => Self::High,
            2 => Self::Low,
            _ => Self::Normal,
        }
    }
}

/// When a message becomes due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// This long after the backend accepts it, by the backend's clock.
    After(Duration),
    /// At this time, by the backend's clock. A time in the past means at once.
    At(SystemTime),
}

impl Schedule {
    /// Due at once.
    pub const NOW: Self = Self::After(Duration::ZERO);

    /// The due time in milliseconds since 1970, given the backend's time: rounded up so that no message is early, except
    /// for what is due at once.
    #[must_use]
    pub fn due_ms(&self, now: SystemTime) -> u64 {
        match self {
            Self::After(Duration::ZERO) => floor_ms(now),
            Self::After(delay) => ceil_ms(now).saturating_add(duration_ms(*delay)),
            Self::At(time) => ceil_ms(*time),
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let delay = match self {
            Self::After(delay) => *delay,
            Self::At(time) => time.duration_since(SystemTime::now()).unwrap_or_default(),
        };
        if delay > MAX_DELAY {
            return Err(Error::new(
                ErrorKind::InvalidMessage,
                format!("a delay is at most 365 days, this one is {} days", delay.as_secs() / 86_400),
            ));
        }
        Ok(())
    }
}

/// A message without its type: what producers store and consumers hand out.
///
/// Applications build a [`DelayMessage`](crate::DelayMessage) instead; this is the interface to backends.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct RawMessage {
    /// Identity and deduplication key within the queue.
    pub id: MessageId,
    /// The encoded body.
    pub body: Bytes,
    /// When it is due. Meaningless in a message that was claimed.
    pub schedule: Schedule,
    /// Which of several due messages goes first.
    pub priority: Priority,
    /// The message's own retry policy, before which the worker's steps back.
    pub retry: Option<RetryPolicy>,
    /// Names and values that travel along, the trace context among them.
    pub headers: BTreeMap<String, String>,
    /// How long after its due time it is still worth handling.
    pub expires_after: Option<Duration>,
}

impl RawMessage {
    /// A message that is due at once.
    #[must_use]
    pub fn new(id: MessageId, body: impl Into<Bytes>) -> Self {
        Self {
            id,
            body: body.into(),
            schedule: Schedule::NOW,
            priority: Priority::Normal,
            retry: None,
            headers: BTreeMap::new(),
            expires_after: None,
        }
    }

    /// Sets when it is due.
    #[must_use]
    pub fn with_schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// Sets the priority.
    #[must_use]
    pub fn with_priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Checks the limits; every way into a backend does.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidMessage`] for a delay over [`MAX_DELAY`], [`ErrorKind::TooLarge`] for a body over
    /// [`MAX_BODY_BYTES`] or headers over [`MAX_HEADER_BYTES`].
    pub fn check(&self) -> Result<()> {
        self.schedule.check()?;
        if self.body.len() > MAX_BODY_BYTES {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("message {}: body of {} bytes, allowed are {MAX_BODY_BYTES}", self.id, self.body.len()),
            ));
        }
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        if headers > MAX_HEADER_BYTES {
            return Err(Error::new(
                ErrorKind::TooLarge,
                format!("message {}: headers of {headers} bytes, allowed are {MAX_HEADER_BYTES}", self.id),
            ));
        }
        Ok(())
    }
}

/// Bodies and header values are the users' data: they stay out of logs.
impl fmt::Debug for RawMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawMessage")
            .field("id", &self.id)
            .field("schedule", &self.schedule)
            .field("priority", &self.priority)
            .field("body_bytes", &self.body.len())
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
