//! Which tenants there are.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::id::TenantId;

/// Whether a tenant's requests are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TenantStatus {
    /// They are.
    Active,
    /// Not now.
    Suspended,
    /// Not any more.
    Archived,
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
