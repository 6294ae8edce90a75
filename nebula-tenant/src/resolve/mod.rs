//! Whose request this is.
//!
//! [`Resolvers`] asks everything that can say so: a claim of a verified token, a subdomain, a part of the path, a header from a
//! trusted proxy, or code of yours. All that answer have to agree; the first disagreement refuses the request. Nothing falls
//! back to a default.

mod chain;
mod claim;
#[cfg(feature = "axum")]
mod extract;
mod header;
mod host;
mod layer;
mod path;
mod refusal;
#[cfg(feature = "reqwest")]
mod reqwest;

pub use self::{
    chain::Resolvers,
    claim::Claim,
    header::{TENANT_HEADER, TrustedHeader, inject},
    host::Subdomain,
    layer::{TenantLayer, TenantService},
    path::PathSegment,
    refusal::ResolveRefusal,
};

#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub use self::extract::{CurrentTenant, NoTenantLayer};
#[cfg(feature = "reqwest")]
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
pub use self::reqwest::ForTenant;

use http::request::Parts;

pub use crate::directory::{TenantDirectory, TenantStatus};
use crate::id::TenantId;

/// What a resolver found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// The tenant itself.
    Tenant(TenantId),
    /// A domain, which the directory knows the tenant of. In lower case.
    Domain(String),
}

/// Says whose a request is, from one part of it.
///
/// # Contract
/// - `Ok(None)`: this part says nothing.
/// - `Err`: it says something that cannot name a tenant, or says two things. The request is refused.
/// - What anybody on the network can set is trusted only as far as the application says.
pub trait Resolver: Send + Sync + 'static {
    /// A short name for logs and metrics.
    fn name(&self) -> &'static str;

    /// What the request says.
    ///
    /// # Errors
    /// [`Malformed`] if it says something that cannot be meant.
    fn resolve(&self, request: &Parts) -> Result<Option<Hint>, Malformed>;
}

/// A part of a request that cannot name a tenant. What it was is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a part of the request cannot name a tenant")]
pub struct Malformed;

impl<F> Resolver for F
where
    F: Fn(&Parts) -> Result<Option<Hint>, Malformed> + Send + Sync + 'static,
{
    fn name(&self) -> &'static str {
        "custom"
    }

    fn resolve(&self, request: &Parts) -> Result<Option<Hint>, Malformed> {
        self(request)
    }
}
