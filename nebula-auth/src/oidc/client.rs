//! The handle for logins with one provider.

use std::{fmt, sync::Arc, time::Duration};

use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::{
    ExternalIdentity, LoginRequest, OidcRefusal, OidcSettings,
    browser::{Browser, challenge},
    flow::{EXPIRATION, Flow},
    id_token::{self, Expected},
};
use crate::{
    audit::{AuditLog, Journal},
    clock::Clock,
    error::{Error, ErrorKind},
    key::Algorithm,
    proof::ProofStore,
    remote::{Http, HttpKeys, RemoteKeys, Reply, allowed},
    telemetry,
    token::TokenRefusal,
};

/// Logs in with one OpenID provider. Clones share everything.
#[derive(Clone)]
pub struct OidcClient {
    settings: Arc<OidcSettings>,
    endpoints: Arc<Endpoints>,
    flow: Flow,
    http: Http,
    keys: RemoteKeys,
    journal: Journal,
}

struct Endpoints {
    authorization: Url,
    token: Url,
    names_issuer: bool,
}

/// What a provider publishes at `/.well-known/openid-configuration`, as far as it matters here.
#[derive(Deserialize)]
struct Discovered {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: SecretString,
}

/// A login that has begun.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LoginBegun {
    /// Where to send the browser.
    pub url: String,
    /// For a cookie of this browser (`HttpOnly`, `Secure`, `SameSite=Lax`, `Path` of the callback), to be given back to
    /// [`OidcClient::finish`].
    pub browser: SecretString,
    /// How long it may take.
    pub expires_in: Duration,
}

/// What the provider sent the browser back with: the query of the callback.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Callback {
    /// Which login.
    #[serde(default)]
    pub state: String,
    /// The code.
    #[serde(default)]
    pub code: Option<SecretString>,
    /// Which provider (RFC 9207).
    #[serde(default)]
    pub iss: Option<String>,
    /// What went wrong there.
    #[serde(default)]
    pub error: Option<String>,
}

impl OidcClient {
    /// Discovers what the provider offers.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for settings that cannot be used, for a provider that calls itself otherwise, and for one
    /// that names the methods of PKCE that it supports without `S256`; [`ErrorKind::Unavailable`] if it does not answer.
    ///
    /// # Cancel safety
    /// Safe: only reads.
    pub async fn discover(settings: OidcSettings, store: impl ProofStore) -> Result<Self, Error> {
        let unavailable = || Error::new(ErrorKind::Unavailable, "the provider does not publish its configuration");
        if settings.client_id.is_empty() || settings.redirect_uri.parse::<Url>().is_err() {
            return Err(Error::config("an OpenID client needs a client-id and a redirect-uri"));
        }
        let well_known = format!("{}/.well-known/openid-configuration", settings.issuer.trim_end_matches('/'));
        let http = Http::new()?;
        let Reply { status: 200, body } = http.get(&allowed(&well_known)?).await? else { return Err(unavailable()) };
        let found: Discovered = serde_json::from_slice(&body).map_err(|_| unavailable())?;
        if found.issuer != settings.issuer {
            return Err(Error::config("the provider calls itself otherwise than `issuer` does; they must be equal"));
        }
        if found.code_challenge_methods_supported.is_some_and(|methods| !methods.iter().any(|name| name == "S256")) {
            return Err(Error::config("the provider does not support PKCE with S256"));
        }
        let algorithms = [Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256];
        let endpoints = Endpoints {
            authorization: allowed(&found.authorization_endpoint)?,
            token: allowed(&found.token_endpoint)?,
            names_issuer: found.authorization_response_iss_parameter_supported,
        };
        Ok(Self {
            settings: Arc::new(settings),
            endpoints: Arc::new(endpoints),
            flow: Flow::new("oidc", store),
            http,
            keys: RemoteKeys::new(HttpKeys::new(&found.jwks_uri)?, algorithms),
            journal: Journal::default(),
        })
    }

    /// Takes the time from another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.flow.records.set_clock(clock);
        self
    }

    /// Writes to that log who came back from the provider, and who did not get in. What cannot be written down is no login.
    #[must_use]
    pub fn with_audit(mut self, log: AuditLog) -> Self {
        self.journal = Journal::to(log);
        self
    }

    /// Begins a login.
    ///
    /// # Errors
    /// If the store cannot answer.
    ///
    /// # Cancel safety
    /// A login may be stored that nobody finishes.
    pub async fn begin(&self, request: LoginRequest) -> Result<LoginBegun, Error> {
        let (state, secret) = self.flow.begin(&self.settings.issuer, &request).await?;
        let browser = Browser::new(&secret, &state);
        let mut url = self.endpoints.authorization.clone();
        let scopes = std::iter::once("openid").chain(self.settings.scopes.iter().map(String::as_str));
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", &self.settings.redirect_uri)
            .append_pair("scope", &scopes.collect::<Vec<_>>().join(" "))
            .append_pair("state", &state)
            .append_pair("nonce", &browser.nonce())
            .append_pair("code_challenge", &challenge(browser.verifier().expose_secret()))
            .append_pair("code_challenge_method", "S256");
        if request.prompt_login {
            url.query_pairs_mut().append_pair("prompt", "login");
        }
        Ok(LoginBegun { url: url.into(), browser: secret, expires_in: EXPIRATION })
    }

    /// Finishes a login with what came back and the secret from the browser's cookie.
    ///
    /// # Errors
    /// If the store or the provider cannot answer.
    ///
    /// # Cancel safety
    /// The login is used up; it has to be begun again.
    pub async fn finish(
        &self,
        callback: &Callback,
        browser: &SecretString,
    ) -> Result<Result<ExternalIdentity, OidcRefusal>, Error> {
        let outcome = self.try_finish(callback, browser).await;
        let outcome = self.journal.federated("login:oidc", &self.settings.issuer, outcome).await;
        telemetry::federated(&outcome);
        outcome
    }

    async fn try_finish(
        &self,
        callback: &Callback,
        secret: &SecretString,
    ) -> Result<Result<ExternalIdentity, OidcRefusal>, Error> {
        let browser = Browser::new(secret, &callback.state);
        let begun = match self.flow.take(&self.settings.issuer, callback, &browser).await? {
            Ok(begun) => begun,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let named = callback.iss.as_deref().map(|issuer| issuer == self.settings.issuer);
        if !named.unwrap_or(!self.endpoints.names_issuer) {
            return Ok(Err(OidcRefusal::WrongIssuer));
        }
        let code = match callback.accepted() {
            Ok(code) => code,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let token = match self.exchange(code, &browser).await? {
            Ok(token) => token,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let nonce = browser.nonce();
        let expected = Expected {
            issuer: &self.settings.issuer,
            client_id: &self.settings.client_id,
            nonce: &nonce,
            now: self.flow.records.now(),
        };
        self.keys.keep_fresh().await?;
        let mut identity = id_token::verify(token.expose_secret(), &self.keys.current(), &expected);
        if identity == Err(OidcRefusal::Token(TokenRefusal::UnknownKey)) && self.keys.look_again().await {
            identity = id_token::verify(token.expose_secret(), &self.keys.current(), &expected);
        }
        Ok(identity.map(|identity| ExternalIdentity { return_to: begun.return_to, link_to: begun.link_to, ..identity }))
    }

    async fn exchange(
        &self,
        code: &SecretString,
        browser: &Browser<'_>,
    ) -> Result<Result<SecretString, OidcRefusal>, Error> {
        let mut form = Url::parse("form:").map_err(|error| Error::internal("a form").with_source(error))?;
        form.query_pairs_mut()
            .append_pair("grant_type", "authorization_code")
            .append_pair("code", code.expose_secret())
            .append_pair("redirect_uri", &self.settings.redirect_uri)
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("code_verifier", browser.verifier().expose_secret());
        let form = form.query().unwrap_or_default().to_owned();
        let basic = self.settings.client_secret.as_ref().map(|secret| {
            // RFC 6749, 2.3.1: encoded as in a form first.
            (encoded(&self.settings.client_id), encoded(secret.expose_secret()))
        });
        let reply = self.http.post_form(&self.endpoints.token, form, basic).await?;
        match reply.status {
            200 => match serde_json::from_slice::<Tokens>(&reply.body) {
                Ok(tokens) => Ok(Ok(tokens.id_token)),
                // The cause could quote a token.
                Err(_) => Err(Error::new(ErrorKind::Unavailable, "the provider sent no ID token")),
            },
            400 => Ok(Err(OidcRefusal::CodeRejected)),
            401 | 403 => Err(Error::config("the provider does not take our client-id and client-secret")),
            status => Err(Error::new(ErrorKind::Unavailable, format!("the provider answers {status} to a code"))),
        }
    }
}

/// As in a form.
pub(super) fn encoded(text: &str) -> String {
    let Ok(mut url) = Url::parse("form:") else { return String::new() };
    url.query_pairs_mut().append_key_only(text);
    url.query().unwrap_or_default().to_owned()
}

impl fmt::Debug for OidcClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcClient").field("settings", &self.settings).finish_non_exhaustive()
    }
}
