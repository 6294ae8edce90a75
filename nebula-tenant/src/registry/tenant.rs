//! What is known of a tenant.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::directory::{TenantStatus, is_domain};
use crate::error::{Error, ErrorKind};
use crate::id::TenantId;

/// What is known of a tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Tenant {
    /// Its name, which never changes.
    pub id: TenantId,
    /// What it pays for: the name of a plan of yours.
    pub plan: String,
    /// Whatever you keep for each tenant.
    pub settings: Map<String, Value>,
    /// Domains of its own, in lower case.
    pub domains: BTreeSet<String>,
    /// Whether its requests are served.
    pub status: TenantStatus,
    /// Counts how often it was saved.
    pub version: u64,
}

impl Tenant {
    /// A tenant without plan, settings and domains, which is being prepared.
    #[must_use]
    pub fn new(id: TenantId) -> Self {
        let status = TenantStatus::Preparing;
        Self { id, plan: String::new(), settings: Map::new(), domains: BTreeSet::new(), status, version: 0 }
    }

    /// With this plan.
    #[must_use]
    pub fn with_plan(mut self, plan: impl Into<String>) -> Self {
        self.plan = plan.into();
        self
    }

    /// With this status, for one that is taken over as it is.
    #[must_use]
    pub fn with_status(mut self, status: TenantStatus) -> Self {
        self.status = status;
        self
    }

    /// With this setting.
    #[must_use]
    pub fn with_setting(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.settings.insert(name.into(), value.into());
        self
    }

    /// With a domain of its own.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if it is no domain.
    pub fn with_domain(mut self, domain: &str) -> Result<Self, Error> {
        self.domains.insert(domain.trim_end_matches('.').to_ascii_lowercase());
        self.check().map(|()| self)
    }

    /// Whether all of it can be kept.
    pub(super) fn check(&self) -> Result<(), Error> {
        let wrong = |what: &'static str| Err(Error::new(ErrorKind::Config, what));
        if !self.domains.iter().all(|domain| is_domain(domain)) {
            return wrong("a domain is of a-z, 0-9, - and dots");
        }
        if self.plan.len() > 255 {
            return wrong("the name of a plan has at most 255 bytes");
        }
        Ok(())
    }

    /// What stays of a tenant that was erased: its name, so that no other gets it.
    pub(super) fn tombstone(&self) -> Self {
        Self { version: self.version, status: TenantStatus::Erased, ..Self::new(self.id.clone()) }
    }
}
