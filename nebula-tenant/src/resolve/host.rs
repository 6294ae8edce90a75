//! The name of the host.

use http::{header, request::Parts};

use super::{Hint, Malformed, Resolver};
use crate::directory::is_domain;
use crate::error::{Error, ErrorKind};

/// Reads the tenant from the host: `star.tickets.example` is that of `star` under the base `tickets.example`, and a domain
/// that is not under the base belongs to whom the directory says. The base itself says nothing.
///
/// The host is what the request was sent to (RFC 9110, 7.2): the authority of its target, or else its one `Host`. `X-Forwarded-Host` is
/// never read.
#[derive(Debug, Clone)]
pub struct Subdomain {
    base: String,
    domains: bool,
}

impl Subdomain {
    /// Under that base, such as `tickets.example`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if it is no domain.
    pub fn of(base: &str) -> Result<Self, Error> {
        let base = base.to_ascii_lowercase();
        if !is_domain(&base) {
            return Err(Error::new(ErrorKind::Config, format!("`{base}` is no domain")));
        }
        Ok(Self { base, domains: false })
    }

    /// Also asks the directory about domains that are not under the base.
    #[must_use]
    pub const fn with_domains(mut self) -> Self {
        self.domains = true;
        self
    }
}

impl Resolver for Subdomain {
    fn name(&self) -> &'static str {
        "host"
    }

    fn resolve(&self, request: &Parts) -> Result<Option<Hint>, Malformed> {
        let Some(host) = host(request)? else { return Ok(None) };
        if host == self.base {
            return Ok(None);
        }
        let Some(label) = host.strip_suffix(&self.base).and_then(|rest| rest.strip_suffix('.')) else {
            return Ok(self.domains.then_some(Hint::Domain(host)));
        };
        label.parse().map(|tenant| Some(Hint::Tenant(tenant))).map_err(|_| Malformed)
    }
}

/// The host in lower case, without port and without the dot of the root.
fn host(request: &Parts) -> Result<Option<String>, Malformed> {
    let text = match request.uri.authority() {
        Some(authority) => authority.as_str(),
        None => {
            let mut values = request.headers.get_all(header::HOST).iter();
            match (values.next(), values.next()) {
                (None, _) => return Ok(None),
                (Some(value), None) => value.to_str().map_err(|_| Malformed)?,
                (Some(_), Some(_)) => return Err(Malformed),
            }
        }
    };
    let name = match text.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) => return Err(Malformed),
        None => text,
    };
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    if is_domain(&name) { Ok(Some(name)) } else { Err(Malformed) }
}
