//! Login with an OpenID provider: authorization code with PKCE (RFC 7636), `state`, `nonce` and the issuer check of RFC
//! 9207.
//!
//! [`OidcClient::begin`] makes the address to send the browser to, and a secret that stays in the browser's cookie;
//! [`OidcClient::finish`] takes what comes back, with the secret from the cookie. Everything that a login needs to be
//! told from another is derived from that secret, so nothing in the store is of use to who reads it.
//!
//! Providers that speak OAuth 2.0 only, such as GitHub and WeChat, have [`OAuthClient`], which works in the same way and asks
//! them whose the access token is.
//!
//! What to do with the identity is decided by [`decide_link`]: accounts are joined only by who is logged in, or where
//! both sides have verified the same address.

#[cfg(feature = "oidc")]
mod browser;
#[cfg(feature = "oidc")]
mod client;
#[cfg(feature = "oidc")]
mod flow;
#[cfg(feature = "oidc")]
mod id_token;
mod identity;
mod link;
#[cfg(feature = "oidc")]
mod oauth;
mod refusal;
mod settings;
mod state;

#[cfg(feature = "oidc")]
#[cfg_attr(docsrs, doc(cfg(feature = "oidc")))]
pub use self::{
    client::{Callback, LoginBegun, OidcClient},
    oauth::{OAuthClient, OAuthUser, UserInfoMapper},
};
pub use self::{
    identity::ExternalIdentity,
    link::{LinkDecision, LocalAccount, decide_link},
    refusal::OidcRefusal,
    settings::{OAuthSettings, OAuthStyle, OidcSettings},
    state::{LoginRequest, ReturnTo},
};
