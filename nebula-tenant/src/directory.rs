//! Which tenants there are.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::id::TenantId;

/// Whether a tenant's requests are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TenantStatus {
    /// Not yet: what it needs is being made.
    Preparing,
    /// They are.
    Active,
    /// Not now.
    Suspended,
    /// Not any more.
    Archived,
    /// Not any more, and what it had is being erased.
    Erasing,
    /// Nothing is left but its name, which is nobody's again.
    Erased,
}

impl TenantStatus {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Preparing, Self::Active, Self::Suspended, Self::Archived, Self::Erasing, Self::Erased];

    /// A stable lower-case name for stores, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Archived => "archived",
            Self::Erasing => "erasing",
            Self::Erased => "erased",
        }
    }
}

/// Knows the tenants.
///
/// # Contract
/// - `None` means that there is no such tenant, or that the domain is nobody's. A directory that cannot say is an error.
/// - Both calls are made for each request: answer from memory.
#[async_trait]
pub trait TenantDirectory: Send + Sync {
    /// Whether the tenant's requests are served.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if it cannot say.
    async fn status(&self, tenant: &TenantId) -> Result<Option<TenantStatus>, Error>;

    /// Whose a domain is. It is given in lower case, without a port and without a dot at the end.
    ///
    /// # Errors
    /// As those of [`status`](Self::status).
    async fn by_domain(&self, domain: &str) -> Result<Option<TenantId>, Error>;
}

#[async_trait]
impl<D: TenantDirectory + ?Sized> TenantDirectory for Arc<D> {
    async fn status(&self, tenant: &TenantId) -> Result<Option<TenantStatus>, Error> {
        (**self).status(tenant).await
    }

    async fn by_domain(&self, domain: &str) -> Result<Option<TenantId>, Error> {
        (**self).by_domain(domain).await
    }
}

/// Lower-case letters, digits, hyphens and dots in the right places: no user, no brackets, no second port.
#[cfg(any(feature = "http", feature = "registry"))]
pub(crate) fn is_domain(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    name.len() <= 253 && name.split('.').all(label)
}
