//! The trait that a way of sending implements.

use std::{collections::BTreeMap, fmt, sync::Arc, time::SystemTime};

use async_trait::async_trait;

use crate::{
    attachment::Attachment,
    kind::{Channel, Kind},
    outcome::Outcome,
    params::Params,
    recipient::Address,
    template::{ProviderTemplate, Rendered},
};

/// Hands messages to a provider: an SMS gateway, a mail server, a push service.
///
/// # Contract
///
/// - `accepted_means_taken`: [`Outcome::Accepted`] is only answered when the provider said that it has the message.
/// - `refused_means_not_sent`: [`Outcome::Refused`] is only answered when the provider certainly does not have it: it said so,
///   or the request was never written.
/// - `doubt_is_unknown`: whatever was written and not answered is [`Outcome::Unknown`]: a timeout, a connection that was cut.
/// - `classes_tell_the_cause`: a refusal has the [`ErrorClass`](crate::ErrorClass) of its cause; a message that this provider has no
///   template for is [`Unmapped`](crate::ErrorClass::Unmapped), without asking the provider.
/// - `one_try`: a call asks the provider once. Trying again is decided by the [`Notifier`](crate::Notifier).
/// - `it_ends`: every call ends by itself, in a time of the sender's own.
/// - `no_secrets`: neither address nor parameters nor credentials are in `Debug` output, logs or codes.
#[async_trait]
pub trait NotificationSender: fmt::Debug + Send + Sync + 'static {
    /// The provider's name in records, receipts, templates and metrics: `aliyun`.
    fn provider(&self) -> &str;

    /// The channel it serves.
    fn channel(&self) -> Channel;

    /// Hands one message over.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not call back what was written: the outcome is unknown then.
    async fn send(&self, delivery: &Delivery) -> Outcome;
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: NotificationSender + ?Sized> NotificationSender for Arc<S> {
    fn provider(&self) -> &str {
        (**self).provider()
    }

    fn channel(&self) -> Channel {
        (**self).channel()
    }

    async fn send(&self, delivery: &Delivery) -> Outcome {
        (**self).send(delivery).await
    }
}

/// One message for one address, ready to be handed over.
#[derive(Clone)]
#[non_exhaustive]
pub struct Delivery {
    /// Names this attempt at the provider, which gives it back in receipts: letters, digits and a dot, at most 64 bytes.
    pub reference: String,
    /// What it is for.
    pub kind: Kind,
    /// Whom it goes to.
    pub address: Address,
    /// The logical name of the template.
    pub template: String,
    /// The values for it.
    pub params: Params,
    /// What the template says, filled in.
    pub content: Rendered,
    /// How the template is known to providers that keep templates themselves, by their names.
    pub provider_templates: BTreeMap<String, ProviderTemplate>,
    /// The language it was rendered in.
    pub locale: String,
    /// Files that go along.
    pub attachments: Arc<[Attachment]>,
    /// When it is of no use any more.
    pub expires: Option<SystemTime>,
}

impl Delivery {
    /// A message with that content, for senders that are used without a [`Notifier`](crate::Notifier).
    #[must_use]
    pub fn new(reference: impl Into<String>, address: impl Into<Address>, content: Rendered) -> Self {
        Self {
            reference: reference.into(),
            kind: Kind::Notice,
            address: address.into(),
            template: String::new(),
            params: Params::new(),
            content,
            provider_templates: BTreeMap::new(),
            locale: String::new(),
            attachments: Arc::default(),
            expires: None,
        }
    }

    /// Sets what it is for; a notice by default.
    #[must_use]
    pub const fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Sets the logical name of the template and its values.
    #[must_use]
    pub fn with_template(mut self, name: impl Into<String>, params: Params) -> Self {
        self.template = name.into();
        self.params = params;
        self
    }

    /// Sets how a provider knows the template.
    #[must_use]
    pub fn with_provider_template(mut self, provider: impl Into<String>, template: ProviderTemplate) -> Self {
        self.provider_templates.insert(provider.into(), template);
        self
    }

    /// Sets the files that go along.
    #[must_use]
    pub fn with_attachments(mut self, attachments: impl IntoIterator<Item = Attachment>) -> Self {
        self.attachments = attachments.into_iter().collect();
        self
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("reference", &self.reference)
            .field("kind", &self.kind)
            .field("address", &self.address)
            .field("template", &self.template)
            .finish_non_exhaustive()
    }
}
