//! Accounts over HTTP.

mod addresses;
mod extract;
mod my_devices;
mod phone;
mod profile;
mod reset;

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode},
};
use nebula_auth::{
    AuthMethod, TokenPair,
    secrecy::{ExposeSecret, SecretString},
};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

pub use self::extract::Buyer;
use crate::{
    app::App,
    http::Json,
    language::Language,
    problem::{Problem, Result},
    user::{
        Device, Letter, NewUser, User, codes, email, federation,
        second_factor::{self, Answer, Arrival, demanded},
    },
};

/// What a new account needs.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Registration {
    #[schema(example = "mei@example.com")]
    email: String,
    #[schema(value_type = String, format = Password, min_length = 8)]
    password: SecretString,
    #[schema(min_length = 1, max_length = 80)]
    display_name: String,
    /// In which language to write to them.
    #[serde(default)]
    language: Language,
    /// The code that was sent to the address, where `GET /auth/rules` says that one is needed.
    #[schema(value_type = Option<String>)]
    code: Option<SecretString>,
}

/// What holds for new accounts.
#[derive(Serialize, utoipa::ToSchema)]
struct Rules {
    /// Whether the address is confirmed by a code.
    confirm: bool,
}

/// What signing in needs.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Login {
    #[schema(example = "buyer@example.com")]
    email: String,
    #[schema(value_type = String, format = Password)]
    password: SecretString,
}

/// A refresh token to be exchanged or given back.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Refresh {
    #[schema(value_type = String)]
    refresh_token: SecretString,
}

/// Proof of being signed in.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::user) struct Tokens {
    /// Send it as `Authorization: Bearer …`.
    access_token: String,
    /// Exchange it when the access token has expired. Each one works once.
    refresh_token: String,
    #[schema(value_type = String, example = "Bearer")]
    token_type: &'static str,
    /// Seconds that the access token lives.
    expires_in: u64,
}

/// An account, and the roles that it has in the back office; buyers have none.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::user) struct Person {
    #[serde(flatten)]
    user: User,
    roles: Vec<String>,
}

impl Person {
    pub(in crate::user) async fn of(app: &App, user: User) -> Result<Self> {
        Ok(Self { roles: app.office.roles_of(user.id).await?, user })
    }
}

/// An account with proof of being signed in.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::user) struct SignedIn {
    pub(in crate::user) user: Person,
    pub(in crate::user) tokens: Tokens,
    /// Whether the back office stays closed until a second factor is set up.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(in crate::user) second_factor_demanded: bool,
}

impl SignedIn {
    /// Of somebody who came in; they hear of it by mail where it was on a new device.
    pub(in crate::user) async fn of(app: &App, arrival: Arrival) -> Result<Self> {
        let Arrival { user, tokens, new_device } = arrival;
        if new_device && !user.email.is_empty() && app.codes.letters().delivers() {
            app.codes.tell(Letter::NewDevice, user.email.clone(), user.language);
        }
        let strong = tokens.principal.methods().contains(&AuthMethod::MultiFactor);
        let second_factor_demanded = !strong && demanded(app, user.id).await?;
        Ok(Self { user: Person::of(app, user).await?, tokens: tokens.into(), second_factor_demanded })
    }
}

/// New proof of being signed in.
#[derive(Serialize, utoipa::ToSchema)]
struct Renewed {
    tokens: Tokens,
}

impl From<TokenPair> for Tokens {
    fn from(pair: TokenPair) -> Self {
        Self {
            access_token: pair.access_token.expose_secret().to_owned(),
            refresh_token: pair.refresh_token.expose_secret().to_owned(),
            token_type: "Bearer",
            expires_in: pair.expires_in.as_secs(),
        }
    }
}

/// The routes of this module.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(profile::routes())
        .merge(my_devices::routes())
        .merge(phone::routes())
        .merge(reset::routes())
        .merge(addresses::routes())
        .merge(second_factor::routes())
        .merge(second_factor::my_routes())
        .merge(federation::routes())
        .merge(federation::my_routes())
        .routes(routes!(rules))
        .routes(routes!(register))
        .routes(routes!(login))
        .routes(routes!(refresh))
        .routes(routes!(logout))
        .routes(routes!(me))
}

/// The address in its one form.
pub(in crate::user) fn address(text: &str) -> Result<String> {
    email::canonical(text).ok_or_else(|| Problem::invalid("email", "This is not an e-mail address."))
}

/// How to address somebody, if it can be that.
pub(in crate::user) fn name(text: &str) -> Result<String> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > 80 || name.chars().any(char::is_control) {
        return Err(Problem::invalid("display_name", "A name has 1 to 80 characters."));
    }
    Ok(name.to_owned())
}

/// What holds for new accounts.
#[utoipa::path(get, operation_id = "account_rules", path = "/auth/rules", tag = "account",
    responses((status = OK, body = Rules)))]
async fn rules(State(app): State<App>) -> Json<Rules> {
    Json(Rules { confirm: app.codes.required() })
}

/// Make an account and sign in.
#[utoipa::path(post, path = "/auth/register", tag = "account", request_body = Registration, responses(
    (status = CREATED, body = SignedIn),
    (status = CONFLICT, description = "`email-taken`"),
    (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`, `password-refused`, `code-refused`"),
    (status = TOO_MANY_REQUESTS, description = "`too-many-attempts`"),
))]
async fn register(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(body): Json<Registration>,
) -> Result<(StatusCode, Json<SignedIn>)> {
    let (email, display_name) = (address(&body.email)?, name(&body.display_name)?);
    app.attempts.allow_account(peer, &headers).await?;
    let new = NewUser { email, display_name, language: body.language, password: body.password };
    let user = if app.codes.required() {
        let code = body.code.ok_or_else(codes::refused)?;
        app.users.register_confirmed(new, &app.codes, &code).await?
    } else {
        app.users.register(new).await?
    };
    let tokens = app.users.start_session(user.id, &Device::of(&headers)).await?;
    Ok((StatusCode::CREATED, Json(SignedIn::of(&app, Arrival { user, tokens, new_device: false }).await?)))
}

/// Sign in. Whoever has a second factor is asked for it, and is not in yet.
#[utoipa::path(post, path = "/auth/login", tag = "account", request_body = Login, responses(
    (status = OK, body = SignedIn),
    (status = ACCEPTED, description = "Go on with `POST /auth/login/second-factor`", body = Answer),
    (status = UNAUTHORIZED, description = "`wrong-credentials`"),
    (status = TOO_MANY_REQUESTS, description = "`too-many-attempts`"),
))]
async fn login(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(body): Json<Login>,
) -> Result<(StatusCode, Json<Answer>)> {
    app.attempts.allow(peer, &headers, &body.email).await?;
    let entry = app.users.enter(&body.email, body.password, &Device::of(&headers)).await?;
    Answer::of(&app, entry).await
}

/// Exchange a refresh token for new tokens.
#[utoipa::path(post, path = "/auth/refresh", tag = "account", request_body = Refresh, responses(
    (status = OK, body = Renewed),
    (status = UNAUTHORIZED, description = "`refresh-refused`"),
))]
async fn refresh(State(app): State<App>, headers: HeaderMap, Json(body): Json<Refresh>) -> Result<Json<Renewed>> {
    Ok(Json(Renewed { tokens: app.users.refresh(&body.refresh_token, &Device::of(&headers)).await?.into() }))
}

/// Sign out: the refresh token and its access tokens end.
#[utoipa::path(post, path = "/auth/logout", tag = "account", request_body = Refresh, responses((status = NO_CONTENT)))]
async fn logout(State(app): State<App>, headers: HeaderMap, Json(body): Json<Refresh>) -> Result<StatusCode> {
    app.users.logout(&body.refresh_token, &Device::of(&headers)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The signed-in account.
#[utoipa::path(get, path = "/me", tag = "account", security(("bearer" = [])), responses(
    (status = OK, body = Person),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
))]
async fn me(State(app): State<App>, buyer: Buyer) -> Result<Json<Person>> {
    let user = app.users.known(buyer.id).await?;
    Ok(Json(Person::of(&app, user).await?))
}
