//! What the application asks for.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{
    attachment::{Attachment, MAX_ATTACHMENT_BYTES},
    error::{Error, ErrorKind, Result},
    kind::{Channel, Kind},
    params::{Params, Value},
    recipient::Recipient,
};

/// The most recipients of one notification.
pub const MAX_RECIPIENTS: usize = 10_000;

/// The furthest ahead that a notification may be scheduled.
pub const MAX_AHEAD: Duration = Duration::from_secs(366 * 24 * 3600);

/// How the channels of a notification are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fanout {
    /// All of them, each by a job of its own.
    #[default]
    All,
    /// The first one; the next one when a channel has failed for good.
    InTurn,
}

/// A message to one or many recipients: a logical template and its values.
///
/// ```
/// use std::time::Duration;
/// use nebula_notification::{Channel, Notification, Phone, Recipient};
///
/// let notification = Notification::new("order.paid")
///     .to(Recipient::user("ada").with(Phone::parse("+8613800138000", None)?))
///     .param("order", "T-4711")
///     .channels([Channel::Sms, Channel::Inbox])
///     .idempotency_key("order:4711:paid")
///     .expires_after(Duration::from_secs(3600));
/// # Ok::<_, nebula_notification::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Notification {
    pub(crate) template: String,
    pub(crate) recipients: Vec<Recipient>,
    pub(crate) params: Params,
    pub(crate) kind: Option<Kind>,
    pub(crate) channels: Vec<Channel>,
    pub(crate) fanout: Fanout,
    pub(crate) key: Option<String>,
    pub(crate) tenant: String,
    pub(crate) locale: String,
    pub(crate) at: Option<SystemTime>,
    pub(crate) expires: Option<Expiry>,
    pub(crate) origin: Option<IpAddr>,
    pub(crate) attachments: Arc<[Attachment]>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Expiry {
    At(SystemTime),
    After(Duration),
}

impl Notification {
    /// A notification by the logical name of its template.
    #[must_use]
    pub fn new(template: impl Into<String>) -> Self {
        Self {
            template: template.into(),
            recipients: Vec::new(),
            params: Params::new(),
            kind: None,
            channels: Vec::new(),
            fanout: Fanout::All,
            key: None,
            tenant: String::new(),
            locale: String::new(),
            at: None,
            expires: None,
            origin: None,
            attachments: Arc::default(),
        }
    }

    /// Adds a recipient.
    #[must_use]
    pub fn to(mut self, recipient: impl Into<Recipient>) -> Self {
        self.recipients.push(recipient.into());
        self
    }

    /// Adds recipients.
    #[must_use]
    pub fn to_all(mut self, recipients: impl IntoIterator<Item = Recipient>) -> Self {
        self.recipients.extend(recipients);
        self
    }

    /// Sets a value.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.params = self.params.with(name, value);
        self
    }

    /// Sets all values.
    #[must_use]
    pub fn params(mut self, params: Params) -> Self {
        self.params = params;
        self
    }

    /// Treats it as another kind than its template says. A code stays a code.
    #[must_use]
    pub const fn kind(mut self, kind: Kind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// The channels, in the order of preference. By default those of the recipient's wishes, else of the template, else all
    /// that there is an address and a sender for.
    #[must_use]
    pub fn channels(mut self, channels: impl IntoIterator<Item = Channel>) -> Self {
        self.channels = channels.into_iter().collect();
        self
    }

    /// Whether all channels are used, or one after the other.
    #[must_use]
    pub const fn fanout(mut self, fanout: Fanout) -> Self {
        self.fanout = fanout;
        self
    }

    /// A second notification with the same key (of the same tenant) sends nothing. At most 200 bytes.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The tenant, for limits, keys and queries.
    #[must_use]
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = tenant.into();
        self
    }

    /// The language, such as `zh-CN`, of recipients that name none.
    #[must_use]
    pub fn locale(mut self, locale: impl Into<String>) -> Self {
        self.locale = locale.into();
        self
    }

    /// Not before that time.
    #[must_use]
    pub const fn at(mut self, time: SystemTime) -> Self {
        self.at = Some(time);
        self
    }

    /// Of no use after that time.
    #[must_use]
    pub const fn expires_at(mut self, time: SystemTime) -> Self {
        self.expires = Some(Expiry::At(time));
        self
    }

    /// Of no use that long after it was to be sent.
    #[must_use]
    pub const fn expires_after(mut self, time: Duration) -> Self {
        self.expires = Some(Expiry::After(time));
        self
    }

    /// The address of whoever caused it, for limits. Take it from a proxy that you trust.
    #[must_use]
    pub const fn origin(mut self, address: IpAddr) -> Self {
        self.origin = Some(address);
        self
    }

    /// Adds a file or an inline image, for mail.
    #[must_use]
    pub fn attach(mut self, attachment: Attachment) -> Self {
        self.attachments = self.attachments.iter().cloned().chain([attachment]).collect();
        self
    }

    /// When it is due and when it ends.
    pub(crate) fn times(&self, now: SystemTime) -> Result<(SystemTime, Option<SystemTime>)> {
        let refuse = |text: &'static str| Err(Error::new(ErrorKind::InvalidNotification, text));
        let due = self.at.unwrap_or(now);
        if due < now {
            return refuse("it is scheduled for the past");
        }
        if due.duration_since(now).unwrap_or_default() > MAX_AHEAD {
            return refuse("it is scheduled for more than a year ahead");
        }
        let expires = match self.expires {
            None => None,
            Some(Expiry::At(time)) => Some(time),
            Some(Expiry::After(time)) => due.checked_add(time),
        };
        if expires.is_some_and(|expires| expires <= due) {
            return refuse("it expires before it is due");
        }
        Ok((due, expires))
    }

    /// What can be seen without looking anything up.
    pub(crate) fn check(&self) -> Result<()> {
        let refuse = |text: &'static str| Err(Error::new(ErrorKind::InvalidNotification, text));
        if self.recipients.is_empty() {
            return refuse("there is no recipient");
        }
        if self.recipients.len() > MAX_RECIPIENTS {
            return refuse("a notification has at most 10,000 recipients");
        }
        let control = |text: &str| text.chars().any(char::is_control);
        if self.key.as_ref().is_some_and(|key| key.is_empty() || key.len() > 200 || control(key)) {
            return refuse("an idempotency key has 1 to 200 bytes, none of control");
        }
        if self.tenant.len() > 64 || control(&self.tenant) {
            return refuse("a tenant has at most 64 bytes, none of control");
        }
        for recipient in &self.recipients {
            if recipient.addresses().is_empty() {
                return Err(Error::new(ErrorKind::InvalidRecipient, "a recipient has no address"));
            }
            recipient.addresses().iter().try_for_each(crate::recipient::Address::check)?;
        }
        if self.attachments.iter().map(|one| one.bytes().len()).sum::<usize>() > MAX_ATTACHMENT_BYTES {
            let text = format!("attachments may have {MAX_ATTACHMENT_BYTES} bytes together");
            return Err(Error::new(ErrorKind::TooLarge, text));
        }
        Ok(())
    }
}
