use std::time::SystemTime;

use serde::Serialize;

use super::job::{Attempt, AttemptState, Job, JobStatus, Price};
use crate::{
    clock,
    kind::{Channel, Kind},
};

/// Which jobs to show. Everything that is not set does not matter.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RecordQuery {
    /// Jobs of this tenant.
    pub tenant: Option<String>,
    /// Jobs to this address: the key of an [`Address`](crate::Address), such as `sms:+8613800138000`.
    pub address: Option<String>,
    /// Jobs of this notification.
    pub notification: Option<String>,
    /// Jobs of this template.
    pub template: Option<String>,
    /// Jobs that have come so far.
    pub status: Option<JobStatus>,
    /// Jobs made then or later.
    pub since: Option<SystemTime>,
    /// Jobs made before then.
    pub until: Option<SystemTime>,
    /// Jobs before this one in the list: the last id of the page before.
    pub before: Option<String>,
    /// At most so many; 100 by default, at most 1,000.
    pub limit: Option<u32>,
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)+) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name(mut self, value: impl Into<$type>) -> Self {
            self.$name = Some(value.into());
            self
        })+
    };
}

impl RecordQuery {
    /// All jobs, the latest first.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// Jobs of this tenant.
        tenant: String,
        /// Jobs to this address: the key of an [`Address`](crate::Address).
        address: String,
        /// Jobs of this notification.
        notification: String,
        /// Jobs of this template.
        template: String,
        /// Jobs that have come so far.
        status: JobStatus,
        /// Jobs made then or later.
        since: SystemTime,
        /// Jobs made before then.
        until: SystemTime,
        /// Jobs before this one in the list.
        before: String,
        /// At most so many.
        limit: u32,
    }

    pub(crate) fn page(&self) -> u32 {
        self.limit.unwrap_or(100).clamp(1, 1000)
    }

    pub(crate) fn fits(&self, job: &Job) -> bool {
        let same = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|wanted| wanted == is);
        same(&self.tenant, &job.tenant)
            && self.address.as_ref().is_none_or(|wanted| *wanted == job.address.key())
            && same(&self.notification, &job.notification)
            && same(&self.template, &job.template)
            && self.status.is_none_or(|wanted| wanted == job.status)
            && self.since.is_none_or(|since| clock::millis(job.created) >= clock::millis(since))
            && self.until.is_none_or(|until| clock::millis(job.created) < clock::millis(until))
            && self.before.as_ref().is_none_or(|before| job.id < *before)
    }
}

/// A job as pages show it: the address is masked, and values are left out.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct JobView {
    /// Its id.
    pub id: String,
    /// The notification it belongs to.
    pub notification: String,
    /// The tenant.
    pub tenant: String,
    /// What it is for.
    pub kind: Kind,
    /// The channel.
    pub channel: Channel,
    /// The address, masked.
    pub address: String,
    /// The template.
    pub template: String,
    /// How far it has come.
    pub status: JobStatus,
    /// Why.
    pub reason: Option<String>,
    /// When it was made, in milliseconds since 1970.
    #[serde(with = "clock::stored")]
    pub created: SystemTime,
    /// When it changed last, in milliseconds since 1970.
    #[serde(with = "clock::stored")]
    pub updated: SystemTime,
    /// When it is to be looked at next, in milliseconds since 1970.
    #[serde(with = "clock::stored")]
    pub due: SystemTime,
    /// Whether it can be sent once more.
    pub resendable: bool,
    /// What it cost.
    pub cost: Option<Price>,
    /// Every attempt.
    pub attempts: Vec<Attempt>,
}

impl From<&Job> for JobView {
    fn from(job: &Job) -> Self {
        Self {
            id: job.id.clone(),
            notification: job.notification.clone(),
            tenant: job.tenant.clone(),
            kind: job.kind,
            channel: job.channel,
            address: job.address.masked(),
            template: job.template.clone(),
            status: job.status,
            reason: job.reason.clone(),
            created: job.created,
            updated: job.updated,
            due: job.due,
            resendable: job.is_resendable(),
            cost: job.cost(),
            attempts: job.attempts.clone(),
        }
    }
}

/// What became of the attempts at one provider with one template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Statistic {
    /// The provider.
    pub provider: String,
    /// The template.
    pub template: String,
    /// All attempts.
    pub attempts: u64,
    /// Taken by the provider, arrived or not.
    pub sent: u64,
    /// Arrived, as a receipt says.
    pub delivered: u64,
    /// Not arrived, as a receipt says.
    pub undelivered: u64,
    /// Refused.
    pub refused: u64,
    /// Nobody knows.
    pub unknown: u64,
}

impl Statistic {
    /// The part of the attempts whose outcome is known that the provider has taken, in thousandths.
    #[must_use]
    pub const fn sent_per_mille(&self) -> Option<u64> {
        self.sent.saturating_mul(1000).checked_div(self.attempts.saturating_sub(self.unknown))
    }

    /// The part of the messages with a receipt that have arrived, in thousandths.
    #[must_use]
    pub const fn delivered_per_mille(&self) -> Option<u64> {
        self.delivered.saturating_mul(1000).checked_div(self.delivered.saturating_add(self.undelivered))
    }

    pub(crate) fn count(&mut self, state: AttemptState, count: u64) {
        self.attempts += count;
        match state {
            AttemptState::Begun | AttemptState::Unknown => self.unknown += count,
            AttemptState::Accepted => self.sent += count,
            AttemptState::Refused => self.refused += count,
            AttemptState::Delivered => {
                self.sent += count;
                self.delivered += count;
            }
            AttemptState::Undelivered => {
                self.sent += count;
                self.undelivered += count;
            }
        }
    }
}
