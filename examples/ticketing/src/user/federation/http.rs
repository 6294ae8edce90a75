//! Signing in with a provider over HTTP: begin, come back, and show that the account is yours.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, State},
    http::HeaderMap,
};
use nebula_auth::{oidc::Callback, secrecy::SecretString};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Came, Federation, PATIENCE, Pending, cookie, refused};
use crate::{
    app::App,
    http::{Json, Path},
    language::Language,
    problem::{Problem, Result},
    user::{
        Device, Entry, Letter, Scene, User,
        http::{Person, SignedIn, Tokens, address},
        second_factor::{Challenge, Voucher},
    },
};

pub(in crate::user) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(providers))
        .routes(routes!(begin))
        .routes(routes!(finish))
        .routes(routes!(confirm))
}

/// A provider to sign in with.
#[derive(Serialize, utoipa::ToSchema)]
struct ProviderView {
    name: String,
    /// What buyers read.
    label: String,
    /// The address of the pages that can sign in with it.
    origin: String,
}

/// The providers to sign in with.
#[derive(Serialize, utoipa::ToSchema)]
struct ProvidersView {
    providers: Vec<ProviderView>,
}

/// Where a sign-in is to lead.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Begin {
    /// A path of this site, for afterwards.
    pub(super) return_to: Option<String>,
}

/// A sign-in that has begun.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Begun {
    /// Where to send the browser.
    url: String,
    /// Seconds that it may take.
    expires_in: u64,
}

/// What the provider sent the browser back with.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Returned {
    #[serde(default)]
    state: String,
    #[schema(value_type = Option<String>)]
    code: Option<SecretString>,
    iss: Option<String>,
    error: Option<String>,
    /// In which language to write to you, if the account is new.
    #[serde(default)]
    language: Language,
}

/// What became of a sign-in.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(tag = "status", rename_all = "kebab-case")]
enum Finished {
    /// Here is the account.
    SignedIn {
        user: Box<Person>,
        tokens: Tokens,
        /// Whether the back office stays closed until a second factor is set up.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        second_factor_demanded: bool,
        /// The path that it was begun with.
        #[serde(skip_serializing_if = "Option::is_none")]
        return_to: Option<String>,
    },
    /// The account has a second factor: go on with `POST /auth/login/second-factor`.
    SecondFactor {
        second_factor: Challenge,
        /// The path that it was begun with.
        #[serde(skip_serializing_if = "Option::is_none")]
        return_to: Option<String>,
    },
    /// The account of whoever is signed in has another way in.
    Linked {
        /// The path that it was begun with.
        #[serde(skip_serializing_if = "Option::is_none")]
        return_to: Option<String>,
    },
    /// Show with `confirm` that the address is yours.
    Confirm {
        /// The address, as the provider has it.
        #[serde(skip_serializing_if = "Option::is_none")]
        email: Option<String>,
        /// What the provider calls you.
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// The path that it was begun with.
        #[serde(skip_serializing_if = "Option::is_none")]
        return_to: Option<String>,
    },
}

/// What shows that an address is yours: the password of its account, or the code of a mail (`POST /auth/codes` with the purpose
/// `sign-in`).
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Confirmation {
    #[schema(example = "mei@example.com")]
    email: String,
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<SecretString>,
    #[schema(value_type = Option<String>)]
    code: Option<SecretString>,
    /// In which language to write to you, if the account is new.
    #[serde(default)]
    language: Language,
}

/// The providers to sign in with.
#[utoipa::path(get, operation_id = "sign_in_providers", path = "/auth/providers", tag = "account",
    responses((status = OK, body = ProvidersView)))]
async fn providers(State(app): State<App>) -> Json<ProvidersView> {
    let view = |(name, provider): (&String, &super::Provider)| ProviderView {
        name: name.clone(),
        label: provider.label.clone(),
        origin: provider.origin.clone(),
    };
    Json(ProvidersView { providers: app.federation.0.providers.iter().map(view).collect() })
}

/// Begin to sign in with a provider: send the browser to `url`. It comes back to `/sign-in/{provider}`.
#[utoipa::path(post, operation_id = "sign_in_begin", path = "/auth/providers/{provider}/begin", tag = "account",
    params(("provider" = String, Path)), request_body = Begin, responses(
    (status = OK, body = Begun),
    (status = NOT_FOUND, description = "`not-found`"),
    (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
    (status = TOO_MANY_REQUESTS, description = "`too-many-attempts`"),
    (status = SERVICE_UNAVAILABLE, description = "`unavailable`: the provider, too, may be away"),
))]
async fn begin(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Path(name): Path<String>,
    Json(body): Json<Begin>,
) -> Result<(HeaderMap, Json<Begun>)> {
    app.federation.provider(&name)?;
    app.attempts.allow(peer, &headers, "").await?;
    begun(&app.federation, &name, body.return_to, None).await
}

/// Begins, and gives the browser the secret of it.
pub(super) async fn begun(
    federation: &Federation,
    name: &str,
    return_to: Option<String>,
    who: Option<&nebula_auth::Principal>,
) -> Result<(HeaderMap, Json<Begun>)> {
    let begun = federation.begin(name, return_to, who).await?;
    let (mut headers, age) = (HeaderMap::new(), begun.expires_in.as_secs());
    let cookie = (cookie::BEGUN, federation.provider(name)?);
    cookie::write(&mut headers, cookie, name, Some((&begun.browser, age)))?;
    Ok((headers, Json(Begun { url: begun.url, expires_in: age })))
}

/// Finish a sign-in with what the provider sent the browser back with.
#[utoipa::path(post, operation_id = "sign_in_finish", path = "/auth/providers/{provider}/finish", tag = "account",
    params(("provider" = String, Path)), request_body = Returned, responses(
    (status = OK, body = Finished),
    (status = UNAUTHORIZED, description = "`provider-refused`, `token-invalid`"),
    (status = NOT_FOUND, description = "`not-found`"),
    (status = CONFLICT, description = "`identity-taken`, `email-taken`"),
    (status = TOO_MANY_REQUESTS, description = "`too-many-attempts`"),
    (status = SERVICE_UNAVAILABLE, description = "`unavailable`: the provider, too, may be away"),
))]
async fn finish(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Path(name): Path<String>,
    Json(body): Json<Returned>,
) -> Result<(HeaderMap, Json<Finished>)> {
    let provider = app.federation.provider(&name)?;
    app.attempts.allow(peer, &headers, "").await?;
    let browser = cookie::read(&headers, cookie::BEGUN).unwrap_or_default().to_owned();
    if browser.is_empty() {
        return Err(refused("state_mismatch", std::io::Error::other("no cookie")));
    }
    let callback = Callback { state: body.state, code: body.code, iss: body.iss, error: body.error };
    let (came, return_to) = app.federation.finish(&name, &callback, &browser.into()).await?;
    let mut cookies = HeaderMap::new();
    cookie::write(&mut cookies, (cookie::BEGUN, provider), &name, None)?;
    let finished = match came {
        Came::Linked(since_now) => {
            if let Some(user) = since_now {
                tell(&app, &app.federation.known(&user.to_string()).await?);
            }
            Finished::Linked { return_to }
        }
        Came::New(pending) => {
            let email = pending.email.clone().unwrap_or_default();
            let user = added(&app, (peer, &headers), &pending, email, body.language).await?;
            app.federation.link(&pending, user.id).await?;
            signed_in(&app, &headers, (user, true), return_to).await?
        }
        Came::In(user) => signed_in(&app, &headers, (user, false), return_to).await?,
        Came::Confirm(pending) => {
            let said = app.federation.sealed(&pending).await?.into();
            cookie::write(&mut cookies, (cookie::SAID, provider), &name, Some((&said, PATIENCE.as_secs())))?;
            Finished::Confirm { email: pending.email, name: pending.name, return_to }
        }
    };
    Ok((cookies, Json(finished)))
}

/// Lets the owner of an account in, which is `new` or was there before.
async fn signed_in(
    app: &App,
    headers: &HeaderMap,
    (user, new): (User, bool),
    return_to: Option<String>,
) -> Result<Finished> {
    Ok(match app.users.enter_vouched(user.id, Voucher::Provider, &Device::of(headers)).await? {
        Entry::In(mut arrival) => {
            arrival.new_device &= !new;
            let SignedIn { user, tokens, second_factor_demanded } = SignedIn::of(app, *arrival).await?;
            Finished::SignedIn { user: Box::new(user), tokens, second_factor_demanded, return_to }
        }
        Entry::SecondFactor(challenge) => Finished::SecondFactor { second_factor: challenge.into(), return_to },
    })
}

/// Show that an address is yours: its account, or a new one, can be entered with the provider from now on.
#[utoipa::path(post, operation_id = "sign_in_confirm", path = "/auth/providers/{provider}/confirm", tag = "account",
    params(("provider" = String, Path)), request_body = Confirmation, responses(
    (status = OK, body = Finished),
    (status = UNAUTHORIZED, description = "`provider-refused`, `wrong-credentials`, `token-invalid`"),
    (status = NOT_FOUND, description = "`not-found`"),
    (status = CONFLICT, description = "`identity-taken`, `email-taken`"),
    (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`, `code-refused`"),
    (status = TOO_MANY_REQUESTS, description = "`too-many-attempts`"),
))]
async fn confirm(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Path(name): Path<String>,
    Json(body): Json<Confirmation>,
) -> Result<(HeaderMap, Json<Finished>)> {
    let provider = app.federation.provider(&name)?;
    let email = address(&body.email)?;
    app.attempts.allow(peer, &headers, &email).await?;
    let pending = app.federation.pending(&name, cookie::read(&headers, cookie::SAID)).await?;
    let (user, new) = match (body.password, body.code) {
        (Some(password), None) => (app.users.login(&email, password).await?, false),
        (None, Some(code)) => {
            app.codes.check(Scene::SignIn, &email, None, &code).await?;
            match app.users.id_of(&email).await? {
                Some(id) => (app.federation.known(&id.to_string()).await?, false),
                None => (added(&app, (peer, &headers), &pending, email, body.language).await?, true),
            }
        }
        _ => return Err(Problem::invalid("password", "Send the password or a code, and not both.")),
    };
    app.federation.link(&pending, user.id).await?;
    tell(&app, &user);
    let mut cookies = HeaderMap::new();
    cookie::write(&mut cookies, (cookie::SAID, provider), &name, None)?;
    Ok((cookies, Json(signed_in(&app, &headers, (user, new), None).await?)))
}

/// The owner of an account learns of every new way into it.
fn tell(app: &App, user: &User) {
    app.codes.tell(Letter::SignInAdded, user.email.clone(), user.language);
}

/// A new account for somebody who has shown that the address is theirs.
async fn added(
    app: &App,
    (peer, headers): (SocketAddr, &HeaderMap),
    pending: &Pending,
    email: String,
    language: Language,
) -> Result<User> {
    app.attempts.allow_account(peer, headers).await?;
    let name = called(pending, &email);
    app.users.add(email, name, language, None).await
}

/// How to address somebody new: as the provider does, or by the beginning of the address.
fn called(pending: &Pending, email: &str) -> String {
    let plain = |text: &str| text.chars().filter(|letter| !letter.is_control()).take(80).collect::<String>();
    let name = plain(pending.name.as_deref().unwrap_or_default().trim());
    if name.is_empty() { plain(email.split('@').next().unwrap_or(email)) } else { name }
}
