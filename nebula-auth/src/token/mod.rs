//! Access tokens: what they say, how they are issued and how strictly they are read.

mod cache;
mod check;
mod claims;
mod header;
mod json;
mod jws;
mod principal;
mod refusal;
mod service;

#[cfg(not(feature = "oidc"))]
pub(crate) use self::json::parse_object;
pub use self::{
    check::{RevokedTokens, SessionCheck, SessionStatus},
    principal::{AccessGrant, AuthMethod, Principal},
    refusal::TokenRefusal,
    service::{IssuedToken, TokenService, Verdict},
};
pub(crate) use self::{
    claims::{Claims, scope_token},
    header::TokenType,
};
#[cfg(feature = "oidc")]
pub(crate) use self::{json::parse_object, jws::open as open_signed};
