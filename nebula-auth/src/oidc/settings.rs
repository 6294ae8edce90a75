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

/// How a provider without OpenID Connect wants to be spoken to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum OAuthStyle {
    /// As the standard has it, with the client's secret in the header.
    #[default]
    Basic,
    /// As the standard has it, with the client's secret among the form's fields: GitHub.
    Post,
    /// As WeChat has it: other names, everything in the address, and no PKCE.
    #[serde(rename = "wechat")]
    WeChat,
}

/// What a client of a provider without OpenID Connect has to know. Under `nebula.auth.oauth.<name>`.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[must_use]
pub struct OAuthSettings {
    /// What identities of this provider are filed under, as an issuer: never change it.
    pub provider: String,
    /// Where browsers are sent.
    pub authorization_endpoint: String,
    /// Where codes are exchanged.
    pub token_endpoint: String,
    /// Where it is asked whose an access token is.
    pub userinfo_endpoint: String,
    /// How the provider names itself in its answers (RFC 9207), if it does.
    #[serde(default)]
    pub issuer: Option<String>,
    /// Our name there.
    pub client_id: String,
    /// Our secret there; absent for public clients.
    #[serde(default)]
    pub client_secret: Option<SecretString>,
    /// Where the provider sends the browser back to. One of its own for each provider.
    pub redirect_uri: String,
    /// What to ask for.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// How it wants to be spoken to.
    #[serde(default)]
    pub style: OAuthStyle,
}

impl OAuthSettings {
    /// Those of GitHub.
    pub fn github(
        client_id: impl Into<String>,
        client_secret: impl Into<SecretString>,
        redirect_uri: impl Into<String>,
    ) -> Self {
        Self {
            provider: "https://github.com".to_owned(),
            authorization_endpoint: "https://github.com/login/oauth/authorize".to_owned(),
            token_endpoint: "https://github.com/login/oauth/access_token".to_owned(),
            userinfo_endpoint: "https://api.github.com/user".to_owned(),
            issuer: None,
            client_id: client_id.into(),
            client_secret: Some(client_secret.into()),
            redirect_uri: redirect_uri.into(),
            scopes: vec!["read:user".to_owned()],
            style: OAuthStyle::Post,
        }
    }

    /// Those of WeChat, for websites.
    pub fn wechat(
        app_id: impl Into<String>,
        app_secret: impl Into<SecretString>,
        redirect_uri: impl Into<String>,
    ) -> Self {
        Self {
            provider: "https://open.weixin.qq.com".to_owned(),
            authorization_endpoint: "https://open.weixin.qq.com/connect/qrconnect".to_owned(),
            token_endpoint: "https://api.weixin.qq.com/sns/oauth2/access_token".to_owned(),
            userinfo_endpoint: "https://api.weixin.qq.com/sns/userinfo".to_owned(),
            issuer: None,
            client_id: app_id.into(),
            client_secret: Some(app_secret.into()),
            redirect_uri: redirect_uri.into(),
            scopes: vec!["snsapi_login".to_owned()],
            style: OAuthStyle::WeChat,
        }
    }
}

impl fmt::Debug for OAuthSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthSettings")
            .field("provider", &self.provider)
            .field("client_id", &self.client_id)
            .field("redirect_uri", &self.redirect_uri)
            .field("scopes", &self.scopes)
            .field("style", &self.style)
            .finish_non_exhaustive()
    }
}
