//! Accounts over HTTP.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode},
};
use nebula_auth::{
    TokenPair,
    secrecy::{ExposeSecret, SecretString},
};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Buyer, User, email};
use crate::{
    app::App,
    http::Json,
    problem::{Code, Problem, Result},
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
struct Tokens {
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
struct Person {
    #[serde(flatten)]
    user: User,
    roles: Vec<String>,
}

impl Person {
    async fn of(app: &App, user: User) -> Result<Self> {
        Ok(Self { roles: app.office.roles_of(user.id).await?, user })
    }
}

/// An account with proof of being signed in.
#[derive(Serialize, utoipa::ToSchema)]
struct SignedIn {
    user: Person,
    tokens: Tokens,
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
        .routes(routes!(register))
        .routes(routes!(login))
        .routes(routes!(refresh))
        .routes(routes!(logout))
        .routes(routes!(me))
}

fn invalid(field: &str, detail: &str) -> Problem {
    Problem::new(Code::InvalidValue, detail).with("field", field)
}

/// Make an account and sign in.
#[utoipa::path(post, path = "/auth/register", tag = "account", request_body = Registration, responses(
    (status = CREATED, body = SignedIn),
    (status = CONFLICT, description = "`email-taken`"),
    (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`, `password-refused`"),
    (status = TOO_MANY_REQUESTS, description = "`too-many-attempts`"),
))]
async fn register(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(body): Json<Registration>,
) -> Result<(StatusCode, Json<SignedIn>)> {
    let email = email::canonical(&body.email).ok_or_else(|| invalid("email", "This is not an e-mail address."))?;
    let name = body.display_name.trim();
    if name.is_empty() || name.chars().count() > 80 || name.chars().any(char::is_control) {
        return Err(invalid("display_name", "A name has 1 to 80 characters."));
    }
    app.attempts.allow_account(peer, &headers).await?;
    let user = app.users.register(email, name.to_owned(), body.password).await?;
    let tokens = app.users.start_session(user.id).await?.into();
    Ok((StatusCode::CREATED, Json(SignedIn { user: Person::of(&app, user).await?, tokens })))
}

/// Sign in.
#[utoipa::path(post, path = "/auth/login", tag = "account", request_body = Login, responses(
    (status = OK, body = SignedIn),
    (status = UNAUTHORIZED, description = "`wrong-credentials`"),
    (status = TOO_MANY_REQUESTS, description = "`too-many-attempts`"),
))]
async fn login(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(body): Json<Login>,
) -> Result<Json<SignedIn>> {
    app.attempts.allow(peer, &headers, &body.email).await?;
    let user = app.users.login(&body.email, body.password).await?;
    let tokens = app.users.start_session(user.id).await?.into();
    Ok(Json(SignedIn { user: Person::of(&app, user).await?, tokens }))
}

/// Exchange a refresh token for new tokens.
#[utoipa::path(post, path = "/auth/refresh", tag = "account", request_body = Refresh, responses(
    (status = OK, body = Renewed),
    (status = UNAUTHORIZED, description = "`refresh-refused`"),
))]
async fn refresh(State(app): State<App>, Json(body): Json<Refresh>) -> Result<Json<Renewed>> {
    Ok(Json(Renewed { tokens: app.users.refresh(&body.refresh_token).await?.into() }))
}

/// Sign out: the refresh token and its access tokens end.
#[utoipa::path(post, path = "/auth/logout", tag = "account", request_body = Refresh, responses((status = NO_CONTENT)))]
async fn logout(State(app): State<App>, Json(body): Json<Refresh>) -> Result<StatusCode> {
    app.users.logout(&body.refresh_token).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The signed-in account.
#[utoipa::path(get, path = "/me", tag = "account", security(("bearer" = [])), responses(
    (status = OK, body = Person),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
))]
async fn me(State(app): State<App>, buyer: Buyer) -> Result<Json<Person>> {
    let user = app.users.user(buyer.id).await?.ok_or_else(|| Problem::not_found("account"))?;
    Ok(Json(Person::of(&app, user).await?))
}
