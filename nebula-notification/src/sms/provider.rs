use std::{collections::BTreeMap, fmt};

use async_trait::async_trait;

use crate::{outcome::Outcome, phone::Phone};

/// An SMS gateway that keeps templates itself.
///
/// # Contract
///
/// That of a [`NotificationSender`](crate::NotificationSender), and:
///
/// - `a_batch_answers_one_by_one`: `send_batch` answers with one outcome for each message, in their order; that some were taken
///   says nothing about the others.
#[async_trait]
pub trait SmsProvider: fmt::Debug + Send + Sync + 'static {
    /// The provider's name: `aliyun`.
    fn name(&self) -> &str;

    /// Sends one message.
    ///
    /// # Cancel safety
    /// Dropping the future does not call back what was written: the outcome is unknown then.
    async fn send(&self, message: &SmsMessage) -> Outcome;

    /// Sends many, in as few requests as the provider allows.
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    async fn send_batch(&self, messages: &[SmsMessage]) -> Vec<Outcome>;
}

/// One text message, by a template of the provider.
#[derive(Clone)]
#[non_exhaustive]
pub struct SmsMessage {
    /// Whom it goes to.
    pub phone: Phone,
    /// The provider's id of the template.
    pub template: String,
    /// The values by the provider's names, for providers that name them.
    pub named: BTreeMap<String, String>,
    /// The values in order, for providers that number them.
    pub positional: Vec<String>,
    /// The signature, if it is not the provider's usual one.
    pub sign_name: Option<String>,
    /// What receipts give back.
    pub reference: String,
}

impl SmsMessage {
    /// A message with values by name.
    #[must_use]
    pub fn new(phone: Phone, template: impl Into<String>, values: BTreeMap<String, String>) -> Self {
        let positional = values.values().cloned().collect();
        let (sign_name, reference) = (None, String::new());
        Self { phone, template: template.into(), named: values, positional, sign_name, reference }
    }

    /// Sets the values in order.
    #[must_use]
    pub fn positional(mut self, values: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.positional = values.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the signature.
    #[must_use]
    pub fn sign_name(mut self, name: impl Into<String>) -> Self {
        self.sign_name = Some(name.into());
        self
    }

    /// Sets what receipts give back.
    #[must_use]
    pub fn reference(mut self, reference: impl Into<String>) -> Self {
        self.reference = reference.into();
        self
    }
}

impl fmt::Debug for SmsMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmsMessage")
            .field("phone", &self.phone)
            .field("template", &self.template)
            .field("reference", &self.reference)
            .finish_non_exhaustive()
    }
}
