use std::{
    fmt,
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use crate::{
    attachment::Attachment,
    clock,
    kind::{Channel, Kind, words},
    outcome::{ErrorClass, Outcome},
    params::Params,
    recipient::{Address, Recipient},
};

words! {
    /// How far a job has come.
    JobStatus: "status" {
        /// Waiting for its time: scheduled, in quiet hours, or between two rounds of attempts.
        Waiting = "waiting",
        /// Somebody is at it.
        Sending = "sending",
        /// A provider has it. A receipt may still say that it did not arrive.
        Accepted = "accepted",
        /// It has arrived.
        Delivered = "delivered",
        /// Nobody knows whether a provider has it; a receipt may say so.
        Unknown = "unknown",
        /// It could not be sent.
        Failed = "failed",
        /// It was not to be sent: a wish of the recipient, a limit, a missing consent.
        Suppressed = "suppressed",
        /// Its time is over.
        Expired = "expired",
        /// It was called back.
        Cancelled = "cancelled",
    }
}

impl JobStatus {
    /// Whether a worker has something left to do.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Sending | Self::Unknown)
    }

    /// Whether a provider has it, as far as is known.
    #[must_use]
    pub const fn is_sent(self) -> bool {
        matches!(self, Self::Accepted | Self::Delivered)
    }
}

/// What a message costs, in millionths of a unit of a currency: whole numbers, never floating point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Millionths.
    pub micros: u64,
    /// Such as `CNY`.
    pub currency: String,
}

/// One recipient on one channel.
#[derive(Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Job {
    /// Its id, by which it is resent and found; sorts by time.
    pub id: String,
    /// The notification it belongs to.
    pub notification: String,
    /// The tenant, empty if there is none.
    pub tenant: String,
    /// What the notification is for.
    pub kind: Kind,
    /// The channel.
    pub channel: Channel,
    /// The address on it.
    pub address: Address,
    /// Whom the address belongs to.
    pub recipient: Recipient,
    /// The channels that follow if this one fails for good.
    pub fallback: Vec<Channel>,
    /// The logical name of the template.
    pub template: String,
    /// Its version.
    pub template_version: u32,
    /// The values; `None` if they are secret, as those of codes.
    pub params: Option<Params>,
    /// The language.
    pub locale: String,
    /// Files that go along.
    #[serde(default)]
    pub attachments: Arc<[Attachment]>,
    /// The address of whoever caused it.
    pub origin: Option<IpAddr>,
    /// How far it has come.
    pub status: JobStatus,
    /// Why, if it is suppressed, failed or waiting.
    pub reason: Option<String>,
    /// When it is to be looked at next.
    #[serde(with = "clock::stored")]
    pub due: SystemTime,
    /// When it is of no use any more.
    #[serde(with = "clock::stored::option")]
    pub expires: Option<SystemTime>,
    /// When it was made.
    #[serde(with = "clock::stored")]
    pub created: SystemTime,
    /// When it changed last.
    #[serde(with = "clock::stored")]
    pub updated: SystemTime,
    /// Counts changes: a change that was judged by an older state is refused.
    pub version: u64,
    /// Rounds of attempts so far.
    pub rounds: u32,
    /// Whether limits were charged.
    pub charged: bool,
    /// Every attempt.
    pub attempts: Vec<Attempt>,
}

/// One try at one provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Attempt {
    /// The provider.
    pub provider: String,
    /// What it gives back in receipts.
    pub reference: String,
    /// When it began.
    #[serde(with = "clock::stored")]
    pub started: SystemTime,
    /// When it ended.
    #[serde(with = "clock::stored::option")]
    pub finished: Option<SystemTime>,
    /// What became of it.
    pub state: AttemptState,
    /// The class of the error.
    pub class: Option<ErrorClass>,
    /// The provider's word for it.
    pub code: Option<String>,
    /// The provider's id of the message.
    pub provider_id: Option<String>,
    /// What it cost.
    pub cost: Option<Price>,
    /// When a receipt came.
    #[serde(with = "clock::stored::option")]
    pub receipt: Option<SystemTime>,
}

words! {
    /// What became of an attempt.
    AttemptState: "state of an attempt" {
        /// It has begun; if nobody is at it any more, its outcome is unknown.
        Begun = "begun",
        /// The provider has it.
        Accepted = "accepted",
        /// The provider certainly does not have it.
        Refused = "refused",
        /// Nobody knows.
        Unknown = "unknown",
        /// A receipt says that it has arrived.
        Delivered = "delivered",
        /// A receipt says that it has not arrived.
        Undelivered = "undelivered",
    }
}

impl Attempt {
    pub(crate) fn begun(provider: &str, reference: String, now: SystemTime) -> Self {
        Self {
            provider: provider.to_owned(),
            reference,
            started: now,
            finished: None,
            state: AttemptState::Begun,
            class: None,
            code: None,
            provider_id: None,
            cost: None,
            receipt: None,
        }
    }

    /// Writes down how it ended.
    pub(crate) fn finish(&mut self, outcome: &Outcome, price: Option<&Price>, now: SystemTime) {
        self.finished = Some(now);
        self.class = outcome.class();
        match outcome {
            Outcome::Accepted(accepted) => {
                self.state = AttemptState::Accepted;
                self.provider_id.clone_from(&accepted.provider_id);
                let units = u64::from(accepted.units.unwrap_or(1));
                self.cost = price.map(|price| Price {
                    micros: price.micros.saturating_mul(units),
                    currency: price.currency.clone(),
                });
            }
            Outcome::Refused(refusal) => {
                self.state = AttemptState::Refused;
                self.code = Some(refusal.code.clone());
            }
            Outcome::Unknown(doubt) => {
                self.state = AttemptState::Unknown;
                self.code = Some(doubt.code.clone());
            }
        }
    }
}

impl Job {
    /// Whether it is too late for it.
    #[must_use]
    pub fn is_over(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Whether it can be sent once more: it failed, and its values are stored.
    #[must_use]
    pub const fn is_resendable(&self) -> bool {
        matches!(self.status, JobStatus::Failed | JobStatus::Expired | JobStatus::Unknown) && self.params.is_some()
    }

    /// The provider of the last attempt.
    #[must_use]
    pub fn provider(&self) -> Option<&str> {
        self.attempts.last().map(|attempt| attempt.provider.as_str())
    }

    /// What all attempts cost together, if they cost anything in one currency.
    #[must_use]
    pub fn cost(&self) -> Option<Price> {
        let mut costs = self.attempts.iter().filter_map(|attempt| attempt.cost.as_ref());
        let mut sum = costs.next()?.clone();
        for cost in costs {
            if cost.currency != sum.currency {
                return None;
            }
            sum.micros = sum.micros.saturating_add(cost.micros);
        }
        Some(sum)
    }

    pub(crate) fn set(&mut self, status: JobStatus, reason: Option<String>) {
        self.status = status;
        self.reason = reason;
    }

    pub(crate) fn wait(&mut self, now: SystemTime, pause: Duration, reason: &str) {
        self.set(JobStatus::Waiting, Some(reason.to_owned()));
        self.due = now + pause;
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .field("address", &self.address)
            .field("template", &self.template)
            .field("status", &self.status)
            .field("reason", &self.reason)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}
