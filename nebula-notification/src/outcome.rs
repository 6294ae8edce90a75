//! What a provider said, and what follows from it.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::kind::{Kind, words};

words! {
    /// Why a provider did not take a message. [`ErrorClass::consequence`] says what follows.
    ErrorClass: "class of error" {
        /// For now: an overload, a fault at the provider, a connection that could not be made.
        Transient = "transient",
        /// The account: no credit, a signature or template that is not approved, a key that is refused.
        Account = "account",
        /// The recipient: a number that does not exist or is blocked, a limit per number. Another provider would only get
        /// around the limit, so none is asked.
        Recipient = "recipient",
        /// What was to be sent: forbidden words, a parameter that is not accepted.
        Content = "content",
        /// The provider has no template for this message, or cannot reach this kind of address.
        Unmapped = "unmapped",
        /// Nobody knows: the request may have been read and the answer was lost.
        Unknown = "unknown",
    }
}

/// What follows from an [`ErrorClass`]: the one table that routing, breaker and records go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consequence {
    /// Whether the same provider is asked again, after a pause.
    pub same_provider: bool,
    /// Whether another provider is asked.
    pub next_provider: bool,
    /// What the circuit breaker makes of it.
    pub breaker: Mark,
    /// Whether the job is tried again later, when all providers are through.
    pub later: bool,
}

/// What a circuit breaker makes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The provider works.
    Healthy,
    /// A failure; several in a row open the circuit.
    Failure,
    /// The circuit opens at once.
    Open,
    /// It says nothing about the provider.
    Nothing,
}

impl ErrorClass {
    /// What follows.
    ///
    /// | class | same provider | next provider | circuit | later |
    /// |---|---|---|---|---|
    /// | transient | again | then | counts | yes |
    /// | account | no | at once | opens | yes |
    /// | recipient | no | no | – | no |
    /// | content | no | no | – | no |
    /// | unmapped | no | at once | – | no |
    /// | unknown | no | only if the [kind may repeat](Kind::may_repeat) | counts | after the receipt or the wait for it |
    ///
    /// ```
    /// use nebula_notification::{ErrorClass, Kind};
    ///
    /// assert!(!ErrorClass::Recipient.consequence(Kind::Code).next_provider);
    /// assert!(ErrorClass::Unknown.consequence(Kind::Code).next_provider);
    /// assert!(!ErrorClass::Unknown.consequence(Kind::Notice).next_provider);
    /// ```
    #[must_use]
    pub const fn consequence(self, kind: Kind) -> Consequence {
        let (same_provider, next_provider, breaker, later) = match self {
            Self::Transient => (true, true, Mark::Failure, true),
            Self::Account => (false, true, Mark::Open, true),
            Self::Recipient | Self::Content => (false, false, Mark::Healthy, false),
            Self::Unmapped => (false, true, Mark::Nothing, false),
            Self::Unknown => (false, kind.may_repeat(), Mark::Failure, false),
        };
        Consequence { same_provider, next_provider, breaker, later }
    }
}

/// What became of handing one message to one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The provider has it. Whether it arrives is said by a [receipt](crate::DeliveryReceipt), if at all.
    Accepted(Accepted),
    /// The provider certainly does not have it.
    Refused(Refusal),
    /// Nobody knows: the request may have been read, and the answer was lost.
    Unknown(Doubt),
}

/// A message that a provider has taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Accepted {
    /// The provider's id, which receipts carry.
    pub provider_id: Option<String>,
    /// For how many messages the provider charges, if it says so.
    pub units: Option<u32>,
}

/// A message that a provider has not taken.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// Why, in our words.
    pub class: ErrorClass,
    /// Why, in the provider's: `isv.BUSINESS_LIMIT_CONTROL`.
    pub code: String,
    /// The provider's explanation. It may contain the address.
    pub message: String,
    /// How long the provider wants to be left alone.
    pub retry_after: Option<Duration>,
}

/// An outcome that nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Doubt {
    /// What happened to the request: `timeout`, `connection lost`, or the provider's code.
    pub code: String,
}

impl Outcome {
    /// Taken, under the provider's id.
    #[must_use]
    pub fn accepted(provider_id: impl Into<String>) -> Self {
        Self::Accepted(Accepted { provider_id: Some(provider_id.into()), units: None })
    }

    /// Taken, by a provider that gives no id.
    #[must_use]
    pub const fn accepted_without_id() -> Self {
        Self::Accepted(Accepted { provider_id: None, units: None })
    }

    /// Sets for how many messages the provider charges.
    #[must_use]
    pub fn with_units(mut self, count: u32) -> Self {
        if let Self::Accepted(accepted) = &mut self {
            accepted.units = Some(count);
        }
        self
    }

    /// Not taken.
    #[must_use]
    pub fn refused(class: ErrorClass, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Refused(Refusal { class, code: code.into(), message: message.into(), retry_after: None })
    }

    /// Sets how long the provider wants to be left alone.
    #[must_use]
    pub fn retry_after(mut self, pause: Option<Duration>) -> Self {
        if let Self::Refused(refusal) = &mut self {
            refusal.retry_after = pause;
        }
        self
    }

    /// Nobody knows.
    #[must_use]
    pub fn unknown(code: impl Into<String>) -> Self {
        Self::Unknown(Doubt { code: code.into() })
    }

    /// Whether the provider has it.
    #[must_use]
    pub const fn is_accepted(&self) -> bool {
        matches!(self, Self::Accepted(_))
    }

    /// The class of the error, `None` if the message was taken.
    #[must_use]
    pub const fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Accepted(_) => None,
            Self::Refused(refusal) => Some(refusal.class),
            Self::Unknown(_) => Some(ErrorClass::Unknown),
        }
    }
}

impl fmt::Debug for Refusal {
    /// Explanations of providers repeat numbers: they are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal")
            .field("class", &self.class)
            .field("code", &self.code)
            .field("retry_after", &self.retry_after)
            .finish_non_exhaustive()
    }
}
