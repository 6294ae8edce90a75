//! Who gets a notification, and at which addresses.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, ErrorKind, Result},
    kind::Channel,
    phone::{Phone, mask},
};

/// A mail address, with what could break out of a header refused.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Checks an address: a local part, `@`, a domain with a dot or `localhost`; at most 254 bytes; no spaces, no control
    /// characters, no brackets, no quotes, no commas.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRecipient`]; the error does not repeat the address.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let refused = || Error::new(ErrorKind::InvalidRecipient, "this is not a valid mail address");
        let bad = |c: char| c.is_control() || c.is_whitespace() || "<>()[]\\,;:\"".contains(c);
        let (local, domain) = text.rsplit_once('@').ok_or_else(refused)?;
        let dots = |part: &str| part.starts_with('.') || part.ends_with('.') || part.contains("..");
        let fits = (1..=64).contains(&local.len())
            && text.len() <= 254
            && !text.contains(bad)
            && !local.contains('@')
            && !dots(local)
            && !dots(domain)
            && (domain.contains('.') || domain == "localhost");
        if fits { Ok(Self(text)) } else { Err(refused()) }
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For logs and pages: `a***@example.org`.
    #[must_use]
    pub fn masked(&self) -> String {
        let (local, domain) = self.0.rsplit_once('@').unwrap_or_default();
        format!("{}***@{domain}", local.chars().next().unwrap_or('*'))
    }
}

impl FromStr for EmailAddress {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

impl TryFrom<String> for EmailAddress {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::new(text)
    }
}

impl From<EmailAddress> for String {
    fn from(address: EmailAddress) -> Self {
        address.0
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmailAddress({})", self.masked())
    }
}

/// Whom a push goes to.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PushTarget {
    /// One installation of the app, by the provider's id for it.
    Device(String),
    /// One user, by the name under which the app has registered her.
    Alias(String),
    /// Everybody who has at least one of these tags. Never empty: an empty list would reach everybody at some providers.
    Tags(Vec<String>),
    /// Everybody.
    Everybody,
}

impl PushTarget {
    /// Checks that there is somebody.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRecipient`] for an empty name or an empty list.
    pub fn check(&self) -> Result<()> {
        let empty = match self {
            Self::Device(name) | Self::Alias(name) => name.is_empty(),
            Self::Tags(tags) => tags.is_empty() || tags.iter().any(String::is_empty),
            Self::Everybody => false,
        };
        if empty {
            return Err(Error::new(ErrorKind::InvalidRecipient, "the audience of a push is empty"));
        }
        Ok(())
    }
}

impl fmt::Debug for PushTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(name) => write!(f, "Device({})", mask(name, 2, 2)),
            Self::Alias(name) => write!(f, "Alias({})", mask(name, 1, 1)),
            Self::Tags(tags) => f.debug_tuple("Tags").field(tags).finish(),
            Self::Everybody => f.write_str("Everybody"),
        }
    }
}

/// One address on one channel.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Address {
    /// A telephone, for [`Channel::Sms`].
    Phone(Phone),
    /// A mailbox, for [`Channel::Email`].
    Email(EmailAddress),
    /// Installations of an app, for [`Channel::Push`].
    Push(PushTarget),
    /// A user of a mini-program, for [`Channel::MiniProgram`].
    OpenId(String),
    /// The name of an end point that the webhook sender knows, for [`Channel::Webhook`]. Not a URL: whoever may choose
    /// recipients should not choose what this machine connects to.
    Endpoint(String),
    /// A user of the application, for [`Channel::Inbox`].
    User(String),
}

impl Address {
    /// The channel it belongs to.
    #[must_use]
    pub const fn channel(&self) -> Channel {
        match self {
            Self::Phone(_) => Channel::Sms,
            Self::Email(_) => Channel::Email,
            Self::Push(_) => Channel::Push,
            Self::OpenId(_) => Channel::MiniProgram,
            Self::Endpoint(_) => Channel::Webhook,
            Self::User(_) => Channel::Inbox,
        }
    }

    /// What limits, wishes and queries know the address by: `sms:+8613800138000`.
    #[must_use]
    pub fn key(&self) -> String {
        let text = match self {
            Self::Phone(phone) => phone.as_str().to_owned(),
            // The domain is the same in any case; most mailboxes are too.
            Self::Email(email) => email.as_str().to_lowercase(),
            Self::Push(PushTarget::Device(name)) => format!("device:{name}"),
            Self::Push(PushTarget::Alias(name)) => format!("alias:{name}"),
            Self::Push(PushTarget::Tags(tags)) => format!("tags:{}", tags.join(",")),
            Self::Push(PushTarget::Everybody) => "everybody".to_owned(),
            Self::OpenId(id) | Self::Endpoint(id) | Self::User(id) => id.clone(),
        };
        format!("{}:{text}", self.channel())
    }

    /// For logs and pages.
    #[must_use]
    pub fn masked(&self) -> String {
        match self {
            Self::Phone(phone) => phone.masked(),
            Self::Email(email) => email.masked(),
            Self::Push(target) => format!("{target:?}"),
            Self::Endpoint(name) => name.clone(),
            Self::OpenId(id) | Self::User(id) => mask(id, 2, 2),
        }
    }

    /// Checks that it names somebody.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRecipient`] for empty or overlong names, and names with control characters.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Phone(_) | Self::Email(_) => Ok(()),
            Self::Push(target) => target.check(),
            Self::OpenId(id) | Self::Endpoint(id) | Self::User(id) => {
                if id.is_empty() || id.len() > 128 || id.chars().any(char::is_control) {
                    return Err(Error::new(ErrorKind::InvalidRecipient, "an id has 1 to 128 bytes, none of control"));
                }
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.channel(), self.masked())
    }
}

impl From<Phone> for Address {
    fn from(phone: Phone) -> Self {
        Self::Phone(phone)
    }
}

impl From<EmailAddress> for Address {
    fn from(address: EmailAddress) -> Self {
        Self::Email(address)
    }
}

impl From<PushTarget> for Address {
    fn from(target: PushTarget) -> Self {
        Self::Push(target)
    }
}

/// Somebody, with the addresses at which she can be reached.
///
/// ```
/// use nebula_notification::{Channel, EmailAddress, Phone, Recipient};
///
/// let ada = Recipient::user("ada")
///     .with(Phone::parse("+8613800138000", None)?)
///     .with(EmailAddress::new("ada@example.org")?);
/// assert!(ada.address(Channel::Email).is_some());
/// assert!(ada.address(Channel::Push).is_none());
/// # Ok::<_, nebula_notification::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    addresses: Vec<Address>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    locale: Option<String>,
}

impl Recipient {
    /// A user of the application, who has an inbox; preferences are kept under this id.
    #[must_use]
    pub fn user(id: impl Into<String>) -> Self {
        let id = id.into();
        Self { addresses: vec![Address::User(id.clone())], user: Some(id), locale: None }
    }

    /// Somebody of whom only an address is known.
    #[must_use]
    pub fn address_only(address: impl Into<Address>) -> Self {
        Self { addresses: vec![address.into()], ..Self::default() }
    }

    /// Adds an address; one of the same channel is replaced.
    #[must_use]
    pub fn with(mut self, address: impl Into<Address>) -> Self {
        let address = address.into();
        self.addresses.retain(|one| one.channel() != address.channel());
        self.addresses.push(address);
        self
    }

    /// The language she reads, such as `zh-CN`; wins over the notification's.
    #[must_use]
    pub fn with_locale(mut self, locale: impl Into<String>) -> Self {
        self.locale = Some(locale.into());
        self
    }

    /// The user's id, if it is known.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Her language.
    #[must_use]
    pub fn locale(&self) -> Option<&str> {
        self.locale.as_deref()
    }

    /// The address on a channel.
    #[must_use]
    pub fn address(&self, channel: Channel) -> Option<&Address> {
        self.addresses.iter().find(|address| address.channel() == channel)
    }

    /// All addresses.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }
}

impl From<Phone> for Recipient {
    fn from(phone: Phone) -> Self {
        Self::address_only(phone)
    }
}

impl From<EmailAddress> for Recipient {
    fn from(address: EmailAddress) -> Self {
        Self::address_only(address)
    }
}
