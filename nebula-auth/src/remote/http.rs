//! Requests to issuers: without redirects, over TLS, bounded in time and size.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use reqwest::{Client, Url, redirect};

use super::KeyFetch;
use crate::error::{Error, ErrorKind};

const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_BYTES: usize = 256 * 1024;

#[derive(Clone)]
pub(crate) struct Http(Client);

/// Status and body.
pub(crate) struct Reply {
    #[cfg_attr(not(feature = "oidc"), allow(dead_code, reason = "asked by the feature `oidc` only"))]
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Http {
    pub(crate) fn new() -> Result<Self, Error> {
        Client::builder()
            .timeout(TIMEOUT)
            // What an issuer publishes is where it says; a redirect could lead into the own network.
            .redirect(redirect::Policy::none())
            .build()
            .map(Self)
            .map_err(|error| Error::config("the HTTP client could not be made").with_source(error))
    }

    pub(crate) async fn get(&self, url: &Url) -> Result<Reply, Error> {
        self.send(url, self.0.get(url.clone())).await
    }

    /// With an access token (RFC 6750, 2.1).
    #[cfg(feature = "oidc")]
    pub(crate) async fn get_with(&self, url: &Url, token: &secrecy::SecretString) -> Result<Reply, Error> {
        use secrecy::ExposeSecret as _;

        let request = self.0.get(url.clone()).bearer_auth(token.expose_secret());
        // GitHub answers nobody who does not say who they are.
        self.send(url, request.header("accept", "application/json").header("user-agent", "nebula-auth")).await
    }

    #[cfg(feature = "oidc")]
    pub(crate) async fn post_form(
        &self,
        url: &Url,
        form: String,
        basic: Option<(String, String)>,
    ) -> Result<Reply, Error> {
        let request = self.0.post(url.clone()).header("content-type", "application/x-www-form-urlencoded").body(form);
        let request = match basic {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        };
        self.send(url, request.header("accept", "application/json")).await
    }

    async fn send(&self, url: &Url, request: reqwest::RequestBuilder) -> Result<Reply, Error> {
        let failed = |error: reqwest::Error| {
            let text = format!("no answer from {}", url.origin().ascii_serialization());
            Error::unavailable(text, error.without_url())
        };
        let too_large = || {
            let text = format!("the answer of {} is too large", url.origin().ascii_serialization());
            Error::new(ErrorKind::Unavailable, text)
        };
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        if response.content_length().is_some_and(|length| length > MAX_BYTES as u64) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, body })
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

/// An address that keys or codes may travel to and from: over TLS, except to this machine.
pub(crate) fn allowed(address: &str) -> Result<Url, Error> {
    let refused = || Error::config("the address of an issuer must be `https:`, without a name or password in it");
    let url: Url = address.parse().map_err(|_| refused())?;
    let here = match url.host_str() {
        Some("localhost" | "127.0.0.1" | "[::1]") => true,
        Some(_) => false,
        None => return Err(refused()),
    };
    let plain = url.username().is_empty() && url.password().is_none();
    if plain && (url.scheme() == "https" || (here && url.scheme() == "http")) { Ok(url) } else { Err(refused()) }
}

/// A JWK set at an address.
#[derive(Clone)]
pub struct HttpKeys {
    http: Http,
    url: Url,
}

impl HttpKeys {
    /// The set at `url`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for what is not `https:` (or `http:` on this machine).
    pub fn new(url: &str) -> Result<Self, Error> {
        Ok(Self { http: Http::new()?, url: allowed(url)? })
    }
}

impl fmt::Debug for HttpKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpKeys({}{})", self.url.origin().ascii_serialization(), self.url.path())
    }
}

#[async_trait]
impl KeyFetch for HttpKeys {
    async fn fetch(&self) -> Result<Vec<u8>, Error> {
        let reply = self.http.get(&self.url).await?;
        match reply.status {
            200 => Ok(reply.body),
            status => Err(Error::new(ErrorKind::Unavailable, format!("the issuer answers {status} instead of keys"))),
        }
    }
}
