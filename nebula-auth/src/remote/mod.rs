//! Keys that others publish: fetched, kept, and fetched again when a token names one that is not known.

mod fetch;
#[cfg(feature = "http")]
mod http;
mod keys;

#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub use self::http::HttpKeys;
#[cfg(feature = "oidc")]
pub(crate) use self::http::{Http, Reply, allowed};
pub use self::{fetch::KeyFetch, keys::RemoteKeys};
