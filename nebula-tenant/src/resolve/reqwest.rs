//! Requests to other services of one's own, with reqwest.

use http::HeaderMap;
use reqwest::{Request, RequestBuilder};

use super::inject;
use crate::error::Error;

/// A request that can carry its tenant to another service of one's own, which reads it with
/// [`TrustedHeader`](super::TrustedHeader).
///
/// ```
/// use nebula_tenant::{TenantContext, resolve::{ForTenant, TENANT_HEADER}};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let client = reqwest::Client::builder().no_proxy().build()?;
/// let request = || client.get("http://seats.internal/halls");
/// assert!(request().for_tenant().is_err(), "nobody said whose work it is");
/// let sent = TenantContext::of("star".parse()?).scope(async { request().for_tenant() }).await??.build()?;
/// assert_eq!(sent.headers()[TENANT_HEADER], "star");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub trait ForTenant: Sized {
    /// The request with the tenant whose work it is, in the place of any that was named.
    ///
    /// # Errors
    /// [`ErrorKind::NoTenant`](crate::ErrorKind::NoTenant) if nobody said whose.
    fn for_tenant(self) -> Result<Self, Error>;
}

impl ForTenant for RequestBuilder {
    fn for_tenant(self) -> Result<Self, Error> {
        let mut headers = HeaderMap::new();
        inject(&mut headers)?;
        Ok(self.headers(headers))
    }
}

impl ForTenant for Request {
    fn for_tenant(mut self) -> Result<Self, Error> {
        inject(self.headers_mut())?;
        Ok(self)
    }
}
