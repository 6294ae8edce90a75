use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::SystemTime,
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::quiet::QuietHours;
use crate::{
    clock,
    error::{Error, ErrorKind, Result},
    kind::Channel,
};

/// What somebody wants and does not want.
///
/// They are kept for a user (`user:ada`) and for single addresses (`sms:+8613800138000`); what either forbids is forbidden.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Preferences {
    /// Nothing at all is sent there, not even a code: an abused number.
    pub blocked: bool,
    /// Channels without notices and marketing; codes and alarms still come.
    pub unsubscribed: BTreeSet<Channel>,
    /// Channels without marketing, whatever consent there is elsewhere: where somebody has followed the link in a mail.
    pub no_marketing: BTreeSet<Channel>,
    /// Channels on which marketing is allowed.
    pub consent: BTreeMap<Channel, Consent>,
    /// When notices and marketing wait.
    pub quiet_hours: Option<QuietHours>,
    /// The channels to use, the best first, if the notification names none.
    pub preferred: Vec<Channel>,
}

/// That somebody has agreed to marketing, and how that can be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// When.
    #[serde(with = "clock::stored")]
    pub at: SystemTime,
    /// Where: the form, the version of its text.
    pub source: String,
}

impl Preferences {
    /// No wishes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Blocks everything.
    #[must_use]
    pub const fn blocked(mut self) -> Self {
        self.blocked = true;
        self
    }

    /// Takes notices and marketing off a channel; consent for it ends.
    #[must_use]
    pub fn unsubscribe(mut self, channel: Channel) -> Self {
        self.unsubscribed.insert(channel);
        self.consent.remove(&channel);
        self
    }

    /// Takes marketing off a channel, and nothing else; consent for it ends.
    #[must_use]
    pub fn refuse_marketing(mut self, channel: Channel) -> Self {
        self.no_marketing.insert(channel);
        self.consent.remove(&channel);
        self
    }

    /// Allows marketing on a channel.
    #[must_use]
    pub fn consent(mut self, channel: Channel, source: impl Into<String>, at: SystemTime) -> Self {
        self.unsubscribed.remove(&channel);
        self.no_marketing.remove(&channel);
        self.consent.insert(channel, Consent { at, source: source.into() });
        self
    }

    /// Sets when notices and marketing wait.
    #[must_use]
    pub fn quiet(mut self, hours: QuietHours) -> Self {
        self.quiet_hours = Some(hours);
        self
    }

    /// Sets the channels to use, the best first.
    #[must_use]
    pub fn prefer(mut self, channels: impl IntoIterator<Item = Channel>) -> Self {
        self.preferred = channels.into_iter().collect();
        self
    }
}

/// Where preferences live.
///
/// # Contract
///
/// - `what_was_set_is_read`: `get` answers with what was set last, and with `None` for whom nothing was set.
/// - `setting_nothing_removes`: after `set` with `None` nothing is known.
/// - `subjects_differ_by_every_byte`: names of subjects are compared byte by byte.
/// - `only_what_was_read_is_replaced`: `replace` changes nothing if what is known is not what was expected; of many at once that
///   expect the same, one succeeds.
#[async_trait]
pub trait AudienceStore: fmt::Debug + Send + Sync + 'static {
    /// What is known of a subject: `user:<id>`, or the [key of an address](crate::Address::key).
    async fn get(&self, subject: &str) -> Result<Option<Preferences>>;

    /// Replaces what is known of a subject.
    async fn set(&self, subject: &str, preferences: Option<&Preferences>) -> Result<()>;

    /// Replaces what is known of a subject, if that is what is expected. `false`: somebody else was first.
    async fn replace(
        &self,
        subject: &str,
        expected: Option<&Preferences>,
        preferences: Option<&Preferences>,
    ) -> Result<bool>;
}

/// How often a change is tried when others change the same wishes.
const CHANGES: usize = 32;

/// Changes what is known of a subject, so that nothing that others change meanwhile is lost.
///
/// # Errors
/// Those of the store; [`ErrorKind::Unavailable`] if others change the same wishes all the time.
///
/// # Cancel safety
/// Dropping the future leaves the wishes as they were, or changed.
pub async fn change_wishes(
    store: &(impl AudienceStore + ?Sized),
    subject: &str,
    change: impl Fn(Preferences) -> Preferences + Send + Sync,
) -> Result<Preferences> {
    for _ in 0..CHANGES {
        let known = store.get(subject).await?;
        let changed = change(known.clone().unwrap_or_default());
        if store.replace(subject, known.as_ref(), Some(&changed)).await? {
            return Ok(changed);
        }
    }
    Err(Error::new(ErrorKind::Unavailable, "others change the same wishes all the time"))
}
