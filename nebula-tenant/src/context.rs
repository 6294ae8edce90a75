//! Whose work this is.

use std::sync::Arc;

use metrics::counter;

use crate::audit::{self, AuditEvent};
use crate::error::{Error, ErrorKind};
use crate::id::TenantId;

tokio::task_local! {
    static CURRENT: TenantContext;
}

/// Whose work is being done: a tenant's, or the platform's own.
///
/// There is no default. Outside of a [`scope`](Self::scope) everything that needs a tenant is an error.
///
/// ```
/// use nebula_tenant::{ErrorKind, TenantContext, TenantId};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// assert_eq!(TenantContext::current().unwrap_err().kind(), ErrorKind::NoTenant);
///
/// let star: TenantId = "star".parse().unwrap();
/// let name = TenantContext::of(star).scope(async { nebula_tenant::current().map(|tenant| tenant.to_string()) }).await??;
/// assert_eq!(name, "star");
/// # Ok::<_, nebula_tenant::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantContext(Whose);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Whose {
    Tenant(TenantId),
    Host(Arc<str>),
}

impl TenantContext {
    /// The work of that tenant.
    #[must_use]
    pub const fn of(tenant: TenantId) -> Self {
        Self(Whose::Tenant(tenant))
    }

    /// Whose work this is.
    ///
    /// # Errors
    /// [`ErrorKind::NoTenant`] if nobody said.
    pub fn current() -> Result<Self, Error> {
        CURRENT.try_with(Self::clone).map_err(|_| {
            Error::new(
                ErrorKind::NoTenant,
                "nobody said whose work this is: enter a TenantContext, or spawn with nebula_tenant::spawn",
            )
        })
    }

    /// The tenant, if it is one's.
    #[must_use]
    pub const fn tenant(&self) -> Option<&TenantId> {
        match &self.0 {
            Whose::Tenant(tenant) => Some(tenant),
            Whose::Host(_) => None,
        }
    }

    /// Why the platform does work of its own, if it does.
    #[must_use]
    pub fn host_reason(&self) -> Option<&str> {
        match &self.0 {
            Whose::Tenant(_) => None,
            Whose::Host(reason) => Some(reason),
        }
    }

    /// Runs the future as that work.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] inside of another tenant's work. The way from one tenant to another leads through
    /// [`as_host`], which leaves a trace.
    ///
    /// # Cancel safety
    /// As the future's.
    pub async fn scope<F: Future>(self, future: F) -> Result<F::Output, Error> {
        self.may_be_entered()?;
        Ok(CURRENT.scope(self, future).await)
    }

    /// Runs the closure as that work.
    ///
    /// # Errors
    /// As those of [`scope`](Self::scope).
    pub fn sync_scope<R>(self, work: impl FnOnce() -> R) -> Result<R, Error> {
        self.may_be_entered()?;
        Ok(CURRENT.sync_scope(self, work))
    }

    /// Runs the closure as that work, which is known to be this task's already.
    pub(crate) fn again<R>(&self, work: impl FnOnce() -> R) -> R {
        CURRENT.sync_scope(self.clone(), work)
    }

    /// A future that is that work, wherever it is polled.
    pub(crate) fn wrap<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, future)
    }

    fn may_be_entered(&self) -> Result<(), Error> {
        let other = CURRENT.try_with(|present| match (&present.0, &self.0) {
            (Whose::Tenant(present), Whose::Tenant(next)) if present != next => Some((present.clone(), next.clone())),
            (Whose::Tenant(_), _) | (Whose::Host(_), _) => None,
        });
        if let Ok(Some((present, next))) = other {
            audit::conflict("scope", &present, &next);
            return Err(Error::new(
                ErrorKind::Conflict,
                "another tenant's work is being done here: go through as_host",
            ));
        }
        Ok(())
    }
}

/// The tenant whose work this is.
///
/// # Errors
/// [`ErrorKind::NoTenant`] if nobody said, or if it is the platform's own work.
pub fn current() -> Result<TenantId, Error> {
    let of_host = || Error::new(ErrorKind::NoTenant, "this is the platform's own work, and needs a tenant");
    CURRENT
        .try_with(|context| context.tenant().cloned().ok_or_else(of_host))
        .unwrap_or_else(|_| TenantContext::current().and_then(|context| context.tenant().cloned().ok_or_else(of_host)))
}

/// Runs the future as the platform's own work, which belongs to no tenant and may enter any. That leaves a trace: an event
/// of `tracing` with the target `nebula_tenant::audit`, and the metric `nebula_tenant_host_total`.
///
/// # Errors
/// [`ErrorKind::Config`] without a reason.
///
/// # Cancel safety
/// As the future's.
pub async fn as_host<F: Future>(reason: &str, future: F) -> Result<F::Output, Error> {
    if reason.trim().is_empty() {
        return Err(Error::new(ErrorKind::Config, "the platform's own work needs a reason"));
    }
    let from = TenantContext::current().ok();
    let from = from.as_ref().and_then(TenantContext::tenant).cloned();
    audit::record(&AuditEvent::Host { reason: reason.to_owned(), from });
    counter!("nebula_tenant_host_total").increment(1);
    Ok(CURRENT.scope(TenantContext(Whose::Host(reason.into())), future).await)
}
