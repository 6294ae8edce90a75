//! A header between services of one's own.

use std::{fmt, net::IpAddr};

use http::{Extensions, HeaderMap, HeaderName, HeaderValue, request::Parts};

use super::{Hint, Malformed, Resolver};
use crate::context::current;
use crate::error::{Error, ErrorKind};

/// The name of the header.
pub const TENANT_HEADER: HeaderName = HeaderName::from_static("x-nebula-tenant");

type Peer = dyn Fn(&Extensions) -> Option<IpAddr> + Send + Sync;
type Trust = dyn Fn(IpAddr) -> bool + Send + Sync;

/// Reads [`TENANT_HEADER`] of requests that come from a proxy or a service of one's own. From anybody else the header says
/// nothing: whoever can send a request could name any tenant.
pub struct TrustedHeader {
    peer: Box<Peer>,
    trust: Box<Trust>,
}

impl TrustedHeader {
    /// `peer` gives the address of whoever holds the connection (with axum: of `ConnectInfo`), never one from a header; `trust`
    /// says whether that is one of ours.
    #[must_use]
    pub fn new(
        peer: impl Fn(&Extensions) -> Option<IpAddr> + Send + Sync + 'static,
        trust: impl Fn(IpAddr) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { peer: Box::new(peer), trust: Box::new(trust) }
    }
}

impl Resolver for TrustedHeader {
    fn name(&self) -> &'static str {
        "header"
    }

    fn resolve(&self, request: &Parts) -> Result<Option<Hint>, Malformed> {
        if !(self.peer)(&request.extensions).is_some_and(|peer| (self.trust)(peer)) {
            return Ok(None);
        }
        let mut values = request.headers.get_all(&TENANT_HEADER).iter();
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => {
                let tenant = value.to_str().ok().and_then(|text| text.parse().ok());
                tenant.map(|tenant| Some(Hint::Tenant(tenant))).ok_or(Malformed)
            }
            (Some(_), Some(_)) => Err(Malformed),
        }
    }
}

impl fmt::Debug for TrustedHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustedHeader").finish_non_exhaustive()
    }
}

/// Sets [`TENANT_HEADER`] of a request to another service of one's own, to the tenant whose work this is.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use nebula_tenant::{TenantContext, resolve::{TENANT_HEADER, inject}};
///
/// let mut headers = http::HeaderMap::new();
/// assert!(inject(&mut headers).is_err(), "nobody said whose work it is");
/// TenantContext::of("star".parse().unwrap()).scope(async { inject(&mut headers) }).await??;
/// assert_eq!(headers[TENANT_HEADER], "star");
/// # Ok::<_, nebula_tenant::Error>(())
/// # }).unwrap();
/// ```
///
/// # Errors
/// [`ErrorKind::NoTenant`] if nobody said whose work this is.
pub fn inject(headers: &mut HeaderMap) -> Result<(), Error> {
    let tenant = current()?;
    let value = HeaderValue::from_str(tenant.as_str())
        .map_err(|error| Error::new(ErrorKind::Config, "a tenant's name in a header").with_source(error))?;
    headers.insert(TENANT_HEADER, value);
    Ok(())
}
