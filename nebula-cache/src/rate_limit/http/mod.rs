//! Rate limits as a [`tower`](https://docs.rs/tower) layer, for axum and everything else that speaks the types of the crate `http`.
//!
//! Each limit of the layer names a rule and says by which key of a request it is charged. Answers carry
//!
//! - `RateLimit-Policy` and `RateLimit`, lists of structured fields (RFC 9651) as draft 11 (May 2026) of the IETF's
//!   [draft-ietf-httpapi-ratelimit-headers](https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/) has them;
//!   drafts 08 to 10 have the same syntax. `q` is what comes back in the `w` seconds of the window, `r` is left. `t` is the
//!   effective window: whoever uses no more than `r` in so many seconds is not refused by this limit, and after them
//!   everything is there again; in a refusal it is when to try again, as in `Retry-After`. The optional `qu` (requests, if left
//!   out) and `pk` are not sent: a partition key would tell clients by what they are told apart,
//! - or, with [`Headers::Legacy`], `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset`, as earlier drafts had them,
//! - and, if refused, `Retry-After`, status 429 and a problem document of the type `quota-exceeded` of that draft.
//!
//! ```
//! use std::time::Duration;
//! use axum::{Router, routing::get};
//! use nebula_cache::rate_limit::http::{Key, RateLimitLayer};
//! use nebula_cache::rate_limit::{Quota, RateLimiter, Rule};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let limiter = RateLimiter::memory([
//!     Rule::new("ip", Quota::rate(100, Duration::from_secs(60))?)?,
//!     Rule::new("search", Quota::rate(1_000, Duration::from_secs(1))?)?,
//! ])?;
//! let layer = RateLimitLayer::new(limiter).limit("ip", Key::peer_ip()).limit("search", Key::path());
//! let app: Router = Router::new().route("/search", get(|| async { "found" })).layer(layer);
//! # Ok::<_, nebula_cache::Error>(())
//! # }).unwrap();
//! ```
//!
//! A limit whose key a request does not have (nobody is signed in, say) does not apply to it. If no limit applies the request
//! passes. The address of the peer comes from axum's `ConnectInfo`; serve with
//! `into_make_service_with_connect_info::<SocketAddr>()`. Where there is none, a request without address is refused with status
//! 500 rather than passed unlimited.

mod address;
mod headers;
mod key;
mod layer;
mod problem;

pub use address::{TrustedProxies, client_network};
pub use headers::Headers;
pub use key::{Key, Missing};
pub use layer::{RateLimit, RateLimitLayer};
pub use problem::{Refusal, problem_json};
