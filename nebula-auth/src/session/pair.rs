//! What a client gets at login and at every refresh.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use crate::token::Principal;

/// An access token and a refresh token.
///
/// `Debug` hides both tokens; `Serialize` writes the response body of RFC 6749, 5.1, tokens included, because that is
/// what the value is for.
#[derive(Debug, Clone)]
pub struct TokenPair {
    /// Sent with every request.
    pub access_token: SecretString,
    /// Sent to the refresh endpoint only, and only once.
    pub refresh_token: SecretString,
    /// How long the access token lives.
    pub expires_in: Duration,
    /// How long the refresh token lives.
    pub refresh_expires_in: Duration,
    /// What the access token says.
    pub principal: Principal,
    /// Whether the tokens were asked for by another device than the session was begun on, as far as fingerprints can
    /// tell. The access token then says nothing about when and how the user proved who they are, so that whatever asks
    /// for a fresh proof asks for it; [`SessionService::step_up`](crate::SessionService::step_up) settles it.
    pub device_changed: bool,
}

impl Serialize for TokenPair {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let scope = self.principal.scopes().join(" ");
        let mut body = serializer.serialize_struct("TokenPair", 6)?;
        body.serialize_field("access_token", self.access_token.expose_secret())?;
        body.serialize_field("token_type", "Bearer")?;
        body.serialize_field("expires_in", &self.expires_in.as_secs())?;
        body.serialize_field("refresh_token", self.refresh_token.expose_secret())?;
        body.serialize_field("refresh_expires_in", &self.refresh_expires_in.as_secs())?;
        if scope.is_empty() {
            body.skip_field("scope")?;
        } else {
            body.serialize_field("scope", &scope)?;
        }
        body.end()
    }
}
