//! By what a request is charged.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, MatchedPath};
use http::HeaderMap;
use http::request::Parts;

use super::address::{TrustedProxies, client_network};

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The limit does not apply to this request.
    DoesNotApply,
    /// Every request should have one: the service is put together wrongly. The request is answered with status 500.
    Misconfigured,
}

type Extract = dyn Fn(&Parts) -> Result<String, Missing> + Send + Sync;

/// Takes the key of a limit from a request.
#[derive(Clone)]
pub struct Key(Arc<Extract>);

impl Key {
    /// A key of your choice; `None` if the limit does not apply.
    ///
    /// ```
    /// use nebula_cache::rate_limit::http::Key;
    ///
    /// let api_key = Key::new(|request| request.headers.get("x-api-key")?.to_str().ok().map(str::to_owned));
    /// ```
    pub fn new(extract: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |parts| extract(parts).ok_or(Missing::DoesNotApply)))
    }

    /// The [network](client_network) of the peer at the other end of the connection. Headers are not looked at.
    #[must_use]
    pub fn peer_ip() -> Self {
        Self(Arc::new(|parts| Ok(client_network(peer(parts)?.ip()))))
    }

    /// The [network](client_network) of the client, as these proxies tell it.
    #[must_use]
    pub fn client_ip(proxies: TrustedProxies) -> Self {
        Self(Arc::new(move |parts| Ok(client_network(proxies.client(peer(parts)?.ip(), &parts.headers)))))
    }

    /// Method and route (`GET /users/{id}`); the path, where no route of axum has matched.
    #[must_use]
    pub fn path() -> Self {
        Self(Arc::new(|parts| {
            let route = parts.extensions.get::<MatchedPath>();
            let path = route.map_or_else(|| parts.uri.path(), MatchedPath::as_str);
            Ok(format!("{} {path}", parts.method))
        }))
    }

    /// The user whom an earlier layer has put into the request's extensions, as `T`; does not apply to requests of nobody.
    ///
    /// ```
    /// use nebula_cache::rate_limit::http::Key;
    ///
    /// #[derive(Clone)]
    /// struct UserId(u64);
    ///
    /// let user = Key::user(|user: &UserId| user.0.to_string());
    /// ```
    pub fn user<T: Send + Sync + 'static>(id: impl Fn(&T) -> String + Send + Sync + 'static) -> Self {
        Self::new(move |parts| parts.extensions.get::<T>().map(&id))
    }

    /// One key for all requests.
    #[must_use]
    pub fn all() -> Self {
        Self(Arc::new(|_| Ok(String::new())))
    }

    /// The key of a request.
    ///
    /// # Errors
    /// Why there is none.
    pub fn of(&self, request: &Parts) -> Result<String, Missing> {
        (self.0)(request)
    }
}

fn peer(parts: &Parts) -> Result<SocketAddr, Missing> {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0).ok_or(Missing::Misconfigured)
}

impl TrustedProxies {
    /// The network of the client of a request, for those who decide in a handler.
    #[must_use]
    pub fn network(&self, peer: SocketAddr, headers: &HeaderMap) -> String {
        client_network(self.client(peer.ip(), headers))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").finish_non_exhaustive()
    }
}
