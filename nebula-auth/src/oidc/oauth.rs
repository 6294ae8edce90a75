//! Login with a provider that speaks OAuth 2.0 without OpenID Connect: an access token, and an address that says whose it is.

use std::{fmt, sync::Arc};

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use super::{
    Callback, ExternalIdentity, LoginBegun, LoginRequest, OAuthSettings, OAuthStyle, OidcRefusal,
    browser::{Browser, challenge},
    client::encoded,
    flow::{EXPIRATION, Flow},
};
use crate::{
    audit::{AuditLog, Journal},
    clock::Clock,
    error::{Error, ErrorKind},
    proof::ProofStore,
    remote::{Http, Reply, allowed},
    telemetry,
};

/// Ids of users at a provider are not longer.
const MAX_SUBJECT_BYTES: usize = 255;

/// Who somebody is, as read from a provider's answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OAuthUser {
    /// Their id there: one that never changes and is never given to somebody else. A name is not.
    pub subject: String,
    /// An address.
    pub email: Option<String>,
    /// Whether the provider has verified that the address is theirs.
    pub email_verified: bool,
    /// What they are called.
    pub name: Option<String>,
}

/// Reads what a provider says about a user. Every provider says it in its own way.
///
/// ```
/// use nebula_auth::oidc::{OAuthUser, UserInfoMapper};
/// use serde_json::{Value, json};
///
/// fn mapper() -> impl UserInfoMapper {
///     |info: &Value| {
///         let subject = info["id"].as_u64()?.to_string();
///         Some(OAuthUser { subject, name: info["login"].as_str().map(str::to_owned), ..OAuthUser::default() })
///     }
/// }
/// assert_eq!(mapper().user(&json!({ "id": 7, "login": "ann" })).unwrap().subject, "7");
/// assert!(mapper().user(&json!({ "message": "Bad credentials" })).is_none());
/// ```
pub trait UserInfoMapper: Send + Sync + 'static {
    /// Who it is; nothing if the answer does not say so.
    fn user(&self, info: &Value) -> Option<OAuthUser>;
}

impl<F: Fn(&Value) -> Option<OAuthUser> + Send + Sync + 'static> UserInfoMapper for F {
    fn user(&self, info: &Value) -> Option<OAuthUser> {
        self(info)
    }
}

fn text(info: &Value, name: &str) -> Option<String> {
    info.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

impl OAuthUser {
    /// As GitHub's `/user` says it. The address of a profile counts as unverified: who is allowed to see it says nothing
    /// about whose it is.
    #[must_use]
    pub fn from_github(info: &Value) -> Option<Self> {
        let subject = info.get("id")?.as_u64()?.to_string();
        let name = text(info, "name").or_else(|| text(info, "login"));
        Some(Self { subject, email: text(info, "email"), email_verified: false, name })
    }

    /// As WeChat's `/sns/userinfo` says it: the `openid`, which is the user's for this application.
    #[must_use]
    pub fn from_wechat(info: &Value) -> Option<Self> {
        Some(Self { subject: text(info, "openid")?, name: text(info, "nickname"), ..Self::default() })
    }
}

/// What a provider gives for a code, as far as it matters here.
#[derive(Deserialize)]
struct Granted {
    access_token: SecretString,
    #[serde(default)]
    openid: Option<String>,
}

/// Logs in with one provider that speaks OAuth 2.0 (RFC 6749) without OpenID Connect: authorization code with PKCE, `state`
/// bound to the browser, and the user's id from an address that is asked with the access token. The token is used for that
/// and forgotten. Clones share everything.
///
/// ```no_run
/// use nebula_auth::{oidc::{LoginRequest, OAuthClient, OAuthSettings, OAuthUser}, proof::MemoryProofStore};
///
/// # async fn login() -> Result<(), nebula_auth::Error> {
/// let settings = OAuthSettings::github("client-id", "client-secret", "https://shop.example.org/callback");
/// let github = OAuthClient::new(settings, OAuthUser::from_github, MemoryProofStore::new())?;
/// let begun = github.begin(LoginRequest::new()).await?; // send the browser to `begun.url`
/// # let _ = begun;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct OAuthClient {
    settings: Arc<OAuthSettings>,
    endpoints: Arc<[Url; 3]>,
    mapper: Arc<dyn UserInfoMapper>,
    flow: Flow,
    http: Http,
    journal: Journal,
}

impl OAuthClient {
    /// A client with these settings.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for settings that cannot be used.
    pub fn new(settings: OAuthSettings, mapper: impl UserInfoMapper, store: impl ProofStore) -> Result<Self, Error> {
        if settings.provider.is_empty()
            || settings.client_id.is_empty()
            || settings.redirect_uri.parse::<Url>().is_err()
        {
            return Err(Error::config("an OAuth client needs a provider, a client-id and a redirect-uri"));
        }
        if settings.style == OAuthStyle::WeChat && settings.client_secret.is_none() {
            return Err(Error::config("WeChat needs a client-secret"));
        }
        let endpoints = [
            allowed(&settings.authorization_endpoint)?,
            allowed(&settings.token_endpoint)?,
            allowed(&settings.userinfo_endpoint)?,
        ];
        Ok(Self {
            settings: Arc::new(settings),
            endpoints: Arc::new(endpoints),
            mapper: Arc::new(mapper),
            flow: Flow::new("oauth", store),
            http: Http::new()?,
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
        let (state, secret) = self.flow.begin(&self.settings.provider, &request).await?;
        let browser = Browser::new(&secret, &state);
        let (settings, [authorization, ..]) = (&self.settings, &*self.endpoints);
        let mut url = authorization.clone();
        let (client, separator) = match settings.style {
            OAuthStyle::WeChat => ("appid", ","),
            _ => ("client_id", " "),
        };
        let mut query = url.query_pairs_mut();
        query
            .append_pair(client, &settings.client_id)
            .append_pair("redirect_uri", &settings.redirect_uri)
            .append_pair("response_type", "code")
            .append_pair("scope", &settings.scopes.join(separator))
            .append_pair("state", &state);
        if settings.style != OAuthStyle::WeChat {
            query
                .append_pair("code_challenge", &challenge(browser.verifier().expose_secret()))
                .append_pair("code_challenge_method", "S256");
        }
        if request.prompt_login {
            query.append_pair("prompt", "login");
        }
        drop(query);
        if settings.style == OAuthStyle::WeChat {
            url.set_fragment(Some("wechat_redirect"));
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
        let outcome = self.journal.federated("login:oauth", &self.settings.provider, outcome).await;
        telemetry::federated(&outcome);
        outcome
    }

    async fn try_finish(
        &self,
        callback: &Callback,
        secret: &SecretString,
    ) -> Result<Result<ExternalIdentity, OidcRefusal>, Error> {
        let browser = Browser::new(secret, &callback.state);
        let begun = match self.flow.take(&self.settings.provider, callback, &browser).await? {
            Ok(begun) => begun,
            Err(refusal) => return Ok(Err(refusal)),
        };
        // Providers that name themselves (RFC 9207) are held to it.
        if self.settings.issuer.is_some() && self.settings.issuer != callback.iss {
            return Ok(Err(OidcRefusal::WrongIssuer));
        }
        let code = match callback.accepted() {
            Ok(code) => code,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let granted = match self.exchange(code, &browser).await? {
            Ok(granted) => granted,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let user = self.user(&granted).await?;
        Ok(Ok(ExternalIdentity {
            issuer: self.settings.provider.clone(),
            subject: user.subject,
            email: user.email,
            email_verified: user.email_verified,
            name: user.name,
            return_to: begun.return_to,
            link_to: begun.link_to,
        }))
    }

    async fn exchange(
        &self,
        code: &SecretString,
        browser: &Browser<'_>,
    ) -> Result<Result<Granted, OidcRefusal>, Error> {
        let (settings, [_, token, _]) = (&self.settings, &*self.endpoints);
        let secret = settings.client_secret.as_ref();
        let reply = if settings.style == OAuthStyle::WeChat {
            let mut url = token.clone();
            url.query_pairs_mut()
                .append_pair("appid", &settings.client_id)
                .append_pair("secret", secret.map(ExposeSecret::expose_secret).unwrap_or_default())
                .append_pair("code", code.expose_secret())
                .append_pair("grant_type", "authorization_code");
            self.http.get(&url).await?
        } else {
            let mut form = Url::parse("form:").map_err(|error| Error::internal("a form").with_source(error))?;
            form.query_pairs_mut()
                .append_pair("grant_type", "authorization_code")
                .append_pair("code", code.expose_secret())
                .append_pair("redirect_uri", &settings.redirect_uri)
                .append_pair("client_id", &settings.client_id)
                .append_pair("code_verifier", browser.verifier().expose_secret());
            let mut basic = None;
            match (settings.style, secret) {
                (OAuthStyle::Post, Some(secret)) => {
                    form.query_pairs_mut().append_pair("client_secret", secret.expose_secret());
                }
                (_, Some(secret)) => basic = Some((encoded(&settings.client_id), encoded(secret.expose_secret()))),
                (_, None) => {}
            }
            self.http.post_form(token, form.query().unwrap_or_default().to_owned(), basic).await?
        };
        match reply {
            Reply { status: 200, body } => {
                let value: Value = serde_json::from_slice(&body).map_err(|_| no_token())?;
                // Some refuse with 200: GitHub with `error`, WeChat with `errcode`.
                let wechat = value.get("errcode").and_then(Value::as_i64).filter(|code| *code != 0);
                match (value.get("error").and_then(Value::as_str), wechat) {
                    (Some("incorrect_client_credentials" | "invalid_client"), _) | (_, Some(40013 | 40125 | 41002)) => {
                        Err(refused_client())
                    }
                    (Some(_), _) | (_, Some(40029 | 40163 | 41008)) => Ok(Err(OidcRefusal::CodeRejected)),
                    (None, Some(_)) => Err(no_token()),
                    // The cause could quote a token.
                    (None, None) => serde_json::from_value(value).map(Ok).map_err(|_| no_token()),
                }
            }
            Reply { status: 400, .. } => Ok(Err(OidcRefusal::CodeRejected)),
            Reply { status: 401 | 403, .. } => Err(refused_client()),
            Reply { status, .. } => {
                Err(Error::new(ErrorKind::Unavailable, format!("the provider answers {status} to a code")))
            }
        }
    }

    async fn user(&self, granted: &Granted) -> Result<OAuthUser, Error> {
        let nobody = || Error::new(ErrorKind::Unavailable, "the provider does not say whose its access token is");
        let [_, _, address] = &*self.endpoints;
        let reply = if self.settings.style == OAuthStyle::WeChat {
            let mut url = address.clone();
            url.query_pairs_mut()
                .append_pair("access_token", granted.access_token.expose_secret())
                .append_pair("openid", granted.openid.as_deref().ok_or_else(nobody)?);
            self.http.get(&url).await?
        } else {
            self.http.get_with(address, &granted.access_token).await?
        };
        let Reply { status: 200, body } = reply else { return Err(nobody()) };
        let info: Value = serde_json::from_slice(&body).map_err(|_| nobody())?;
        let user = self.mapper.user(&info).ok_or_else(nobody)?;
        // The token's owner and the answer's are one.
        if granted.openid.as_ref().is_some_and(|id| info.get("openid").and_then(Value::as_str) != Some(id)) {
            return Err(nobody());
        }
        let fits = (1..=MAX_SUBJECT_BYTES).contains(&user.subject.len());
        if fits && !user.subject.chars().any(char::is_control) { Ok(user) } else { Err(nobody()) }
    }
}

fn no_token() -> Error {
    Error::new(ErrorKind::Unavailable, "the provider sent no access token")
}

fn refused_client() -> Error {
    Error::config("the provider does not take our client-id and client-secret")
}

impl fmt::Debug for OAuthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthClient").field("settings", &self.settings).finish_non_exhaustive()
    }
}
