//! What a client has to know about itself.

use std::fmt;

use secrecy::SecretString;
use serde::Deserialize;

/// What a client has to know about itself; the rest is discovered. Under `nebula.auth.oidc.<name>`.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[must_use]
pub struct OidcSettings {
    /// The provider, exactly as it calls itself.
    pub issuer: String,
    /// Our name there.
    pub client_id: String,
    /// Our secret there; absent for public clients.
    #[serde(default)]
    pub client_secret: Option<SecretString>,
    /// Where the provider sends the browser back to.
    pub redirect_uri: String,
    /// What to ask for beside `openid`. Default: `profile` and `email`.
    #[serde(default = "default_scopes")]
    pub scopes: Vec<String>,
}

fn default_scopes() -> Vec<String> {
    ["profile", "email"].map(str::to_owned).to_vec()
}

impl OidcSettings {
    /// A public client that asks for `openid profile email`.
    pub fn new(issuer: impl Into<String>, client_id: impl Into<String>, redirect_uri: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            client_id: client_id.into(),
            client_secret: None,
            redirect_uri: redirect_uri.into(),
            scopes: default_scopes(),
        }
    }

    /// With a secret, which is sent in the header (`client_secret_basic`).
    pub fn client_secret(mut self, secret: impl Into<SecretString>) -> Self {
        self.client_secret = Some(secret.into());
        self
    }
}

impl fmt::Debug for OidcSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcSettings")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .field("redirect_uri", &self.redirect_uri)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}
