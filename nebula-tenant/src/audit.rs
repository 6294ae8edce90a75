//! What an auditor wants to hear of: entries into the platform's own work, refused statements and messages, conflicts,
//! erasures.
//!
//! Each is an event of `tracing` with the target `nebula_tenant::audit`. A sink of yours, if there is one, gets them as values.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use crate::error::{Error, ErrorKind};
use crate::id::TenantId;

/// Something to be written down. No value of a statement, a message or a request is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditEvent {
    /// The platform's own work was entered.
    Host {
        /// Why.
        reason: String,
        /// Whose work it was before.
        from: Option<TenantId>,
    },
    /// A statement was refused.
    Refused {
        /// Whose work it was.
        tenant: Option<TenantId>,
        /// What kind of reason.
        reason: &'static str,
        /// Which table, function or construct.
        what: String,
    },
    /// Work of one tenant inside of another's, or a request or message that names two.
    Conflict {
        /// Where: `scope`, `transaction`, `request`, `message`, `interval`.
        place: &'static str,
        /// The one.
        first: TenantId,
        /// The other one.
        second: TenantId,
    },
    /// A message was rejected.
    Message {
        /// Why.
        reason: &'static str,
    },
    /// A tenant's keys were erased.
    Shredded {
        /// Whose.
        tenant: TenantId,
    },
    /// A tenant is being erased.
    Erased {
        /// Which.
        tenant: TenantId,
    },
    /// A tenant wanted more than its quota.
    Quota {
        /// Whose.
        tenant: TenantId,
        /// Of what.
        resource: &'static str,
    },
}

/// Takes what an auditor wants to hear of. It is called where it happens: write to a channel or a log, and do not wait.
pub trait AuditSink: Send + Sync + 'static {
    /// Takes one event.
    fn record(&self, event: &AuditEvent);
}

impl<F: Fn(&AuditEvent) + Send + Sync + 'static> AuditSink for F {
    fn record(&self, event: &AuditEvent) {
        self(event);
    }
}

static SINK: OnceLock<Box<dyn AuditSink>> = OnceLock::new();

/// Sets the sink of this process, once, at its start.
///
/// # Errors
/// [`ErrorKind::Config`] if there is one.
pub fn set_audit_sink(sink: impl AuditSink) -> Result<(), Error> {
    SINK.set(Box::new(sink)).map_err(|_| Error::new(ErrorKind::Config, "there is an audit sink already"))
}

pub(crate) fn record(event: &AuditEvent) {
    match event {
        AuditEvent::Host { reason, from } => {
            let from = from.as_ref().map_or("", TenantId::as_str);
            tracing::info!(target: "nebula_tenant::audit", event = "host", reason, from, "the platform's own work");
        }
        AuditEvent::Refused { tenant, reason, what } => {
            let tenant = tenant.as_ref().map_or("", TenantId::as_str);
            tracing::info!(target: "nebula_tenant::audit", event = "refused", tenant, reason, what, "a statement was refused");
        }
        AuditEvent::Conflict { place, first, second } => {
            tracing::info!(target: "nebula_tenant::audit", event = "conflict", place, %first, %second, "two tenants at once");
        }
        AuditEvent::Message { reason } => {
            tracing::info!(target: "nebula_tenant::audit", event = "message", reason, "a message was rejected");
        }
        AuditEvent::Shredded { tenant } => {
            tracing::info!(target: "nebula_tenant::audit", event = "shred", %tenant, "the keys of a tenant were erased");
        }
        AuditEvent::Erased { tenant } => {
            tracing::info!(target: "nebula_tenant::audit", event = "erase", %tenant, "a tenant is erased");
        }
        AuditEvent::Quota { tenant, resource } => {
            tracing::debug!(target: "nebula_tenant::audit", event = "quota", %tenant, resource, "a quota is used up");
        }
    }
    if let Some(sink) = SINK.get() {
        // What goes wrong with the sink is not the caller's fault.
        if catch_unwind(AssertUnwindSafe(|| sink.record(event))).is_err() {
            tracing::error!("the audit sink panicked");
        }
    }
}

/// Tells of a conflict, and counts it.
pub(crate) fn conflict(place: &'static str, first: &TenantId, second: &TenantId) {
    metrics::counter!("nebula_tenant_conflicts_total", "where" => place).increment(1);
    record(&AuditEvent::Conflict { place, first: first.clone(), second: second.clone() });
}

/// The tenant whose work it is, if it is one's.
#[cfg(feature = "wall")]
pub(crate) fn whose() -> Option<TenantId> {
    crate::context::TenantContext::current().ok().and_then(|context| context.tenant().cloned())
}
