use std::{fmt, sync::Arc, time::SystemTime};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{clock, error::Result};

/// A message in an inbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxMessage {
    /// Its id; sorts by time.
    pub id: String,
    /// What it was sent with: the same is put in once.
    pub reference: String,
    /// The template's name, for an icon or a link.
    pub template: String,
    /// The title.
    pub title: Option<String>,
    /// The text.
    pub text: String,
    /// When it was sent, in milliseconds since 1970.
    #[serde(with = "clock::stored")]
    pub created: SystemTime,
    /// When it was read.
    #[serde(with = "clock::stored::option", default)]
    pub seen: Option<SystemTime>,
    /// When it is of no use any more: it is not shown from then on.
    #[serde(with = "clock::stored::option", default)]
    pub ends: Option<SystemTime>,
}

/// Which messages of an inbox to show.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct InboxQuery {
    /// Only those that were not read.
    pub unread: bool,
    /// Those before this one in the list: the last id of the page before.
    pub before: Option<String>,
    /// At most so many; 50 by default, at most 200.
    pub limit: Option<u32>,
}

impl InboxQuery {
    /// All, the latest first.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only those that were not read.
    #[must_use]
    pub const fn unread(mut self) -> Self {
        self.unread = true;
        self
    }

    /// Those before this one in the list.
    #[must_use]
    pub fn before(mut self, id: impl Into<String>) -> Self {
        self.before = Some(id.into());
        self
    }

    /// At most so many.
    #[must_use]
    pub const fn limit(mut self, count: u32) -> Self {
        self.limit = Some(count);
        self
    }

    pub(crate) fn page(&self) -> u32 {
        self.limit.unwrap_or(50).clamp(1, 200)
    }
}

/// What there is in an inbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxState {
    /// Messages that were not read.
    pub unread: u64,
    /// All messages.
    pub total: u64,
    /// The id of the latest.
    pub latest: Option<String>,
}

/// Which messages a change is about.
#[derive(Clone, Copy, Debug)]
pub enum InboxSelection<'a> {
    /// All of an inbox.
    All,
    /// Those of these ids.
    Ids(&'a [String]),
}

/// Keeps inboxes.
///
/// # Contract
///
/// - `a_reference_is_put_in_once`: `add` with a reference that the inbox has changes nothing and answers `false`; also when both
///   come at once.
/// - `inboxes_are_apart`: nothing is listed, counted, marked or removed but in the inbox of that user; users are compared byte by byte.
/// - `listed_by_pages`: `list` has exactly the messages that fit, the latest first, page by page.
/// - `reading_is_counted`: `state` counts what is there and what was not read; `mark` says how many were not read before.
/// - `what_has_ended_is_not_shown`: neither listed nor counted.
/// - `forgotten_is_gone`: `forget` removes messages made before a time, and those that have ended, and no others.
#[async_trait]
pub trait InboxStore: fmt::Debug + Send + Sync + 'static {
    /// Puts a message in. `false` if its reference is there.
    async fn add(&self, user: &str, message: &InboxMessage) -> Result<bool>;

    /// The messages that fit.
    async fn list(&self, user: &str, query: &InboxQuery, now: SystemTime) -> Result<Vec<InboxMessage>>;

    /// What there is.
    async fn state(&self, user: &str, now: SystemTime) -> Result<InboxState>;

    /// Marks messages as read; how many were not.
    async fn mark(&self, user: &str, which: InboxSelection<'_>, now: SystemTime) -> Result<u64>;

    /// Removes messages; how many.
    async fn remove(&self, user: &str, which: InboxSelection<'_>) -> Result<u64>;

    /// Removes old messages of all users, read or not, and those that have ended; how many.
    async fn forget(&self, before: SystemTime, now: SystemTime) -> Result<u64>;
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: InboxStore + ?Sized> InboxStore for Arc<S> {
    async fn add(&self, user: &str, message: &InboxMessage) -> Result<bool> {
        (**self).add(user, message).await
    }

    async fn list(&self, user: &str, query: &InboxQuery, now: SystemTime) -> Result<Vec<InboxMessage>> {
        (**self).list(user, query, now).await
    }

    async fn state(&self, user: &str, now: SystemTime) -> Result<InboxState> {
        (**self).state(user, now).await
    }

    async fn mark(&self, user: &str, which: InboxSelection<'_>, now: SystemTime) -> Result<u64> {
        (**self).mark(user, which, now).await
    }

    async fn remove(&self, user: &str, which: InboxSelection<'_>) -> Result<u64> {
        (**self).remove(user, which).await
    }

    async fn forget(&self, before: SystemTime, now: SystemTime) -> Result<u64> {
        (**self).forget(before, now).await
    }
}
