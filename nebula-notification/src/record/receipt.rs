use std::time::SystemTime;

use crate::{outcome::ErrorClass, phone::Phone, recipient::Address};

/// What a provider says later about a message that it has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeliveryReceipt {
    /// The provider's name.
    pub provider: String,
    /// Its id of the message.
    pub provider_id: Option<String>,
    /// What the message was sent with.
    pub reference: Option<String>,
    /// The number it was sent to. A provider may have one id for many messages.
    pub phone: Option<Phone>,
    /// Whether it has arrived.
    pub delivered: bool,
    /// The provider's word for it.
    pub code: Option<String>,
    /// Why it has not arrived.
    pub class: Option<ErrorClass>,
    /// When it arrived or failed, if the provider says so.
    pub at: Option<SystemTime>,
}

impl DeliveryReceipt {
    /// It has arrived.
    #[must_use]
    pub fn delivered(provider: impl Into<String>) -> Self {
        Self {
            provider: provider.into(),
            provider_id: None,
            reference: None,
            phone: None,
            delivered: true,
            code: None,
            class: None,
            at: None,
        }
    }

    /// It has not arrived.
    #[must_use]
    pub fn failed(provider: impl Into<String>, class: ErrorClass, code: impl Into<String>) -> Self {
        Self { delivered: false, class: Some(class), code: Some(code.into()), ..Self::delivered(provider) }
    }

    /// The provider's id of the message.
    #[must_use]
    pub fn provider_id(mut self, id: impl Into<String>) -> Self {
        self.provider_id = Some(id.into()).filter(|id| !id.is_empty());
        self
    }

    /// What the message was sent with.
    #[must_use]
    pub fn reference(mut self, reference: impl Into<String>) -> Self {
        self.reference = Some(reference.into()).filter(|reference| !reference.is_empty());
        self
    }

    /// The number it was sent to: nothing that was sent to another one is settled by it.
    #[must_use]
    pub fn phone(mut self, phone: Option<Phone>) -> Self {
        self.phone = phone;
        self
    }

    /// The key of the address that it has to be about, if it says so.
    #[must_use]
    pub(crate) fn address(&self) -> Option<String> {
        self.phone.as_ref().map(|phone| Address::from(phone.clone()).key())
    }

    /// When.
    #[must_use]
    pub const fn at(mut self, time: Option<SystemTime>) -> Self {
        self.at = time;
        self
    }
}

/// What a receipt has settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The job of this id has arrived.
    Delivered(String),
    /// The job of this id has failed for good.
    Failed(String),
    /// The job of this id was unknown, has failed there, and is tried elsewhere.
    TriedElsewhere(String),
    /// It was known already.
    Repeated(String),
    /// No job of ours.
    NotFound,
}
