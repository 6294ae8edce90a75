//! A password that was forgotten: set with a code by mail or text message, and with the second factor of those who have one.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use nebula_auth::{PasswordHash, secrecy::SecretString};
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{address, phone::number};
use crate::{
    app::App,
    http::Json,
    ids::UserId,
    problem::Result,
    user::{Letter, Scene, codes, second_factor::Asked},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(by_mail)).routes(routes!(by_phone)).routes(routes!(second_step))
}

/// A new password instead of a forgotten one.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Reset {
    email: String,
    #[schema(value_type = String)]
    code: SecretString,
    #[schema(value_type = String, format = Password, min_length = 8)]
    password: SecretString,
}

/// A new password for the account of a telephone number.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct PhoneReset {
    phone: String,
    #[schema(value_type = String)]
    code: SecretString,
    #[schema(value_type = String, format = Password, min_length = 8)]
    password: SecretString,
}

/// The second step of whoever has a second factor.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct ResetStep {
    #[schema(value_type = String)]
    challenge: SecretString,
    /// Of the authenticator app, or a recovery code.
    #[schema(value_type = String, example = "123456")]
    code: SecretString,
    #[schema(value_type = String, format = Password, min_length = 8)]
    password: SecretString,
}

/// Set a forgotten password with the code of a mail. Every session of the account ends.
///
/// Whoever has a second factor is asked for it first: the code of the mail is used up, and the password is set by
/// `POST /auth/password/second-factor`.
#[utoipa::path(post, operation_id = "reset_password", path = "/auth/password", tag = "account", request_body = Reset, responses(
    (status = NO_CONTENT, description = "It is set"),
    (status = ACCEPTED, description = "Go on with `POST /auth/password/second-factor`", body = Asked),
    (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`, `password-refused`, `code-refused`"),
    (status = TOO_MANY_REQUESTS, description = "`too-many-attempts`"),
))]
async fn by_mail(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(body): Json<Reset>,
) -> Result<Response> {
    let email = address(&body.email)?;
    app.attempts.allow(peer, &headers, &email).await?;
    // For an address without an account as well: it takes as long, and is refused by the code.
    let hash = app.users.hash(body.password).await?;
    app.codes.check(Scene::ResetPassword, &email, None, &body.code).await?;
    let user = app.users.id_of(&email).await?.ok_or_else(codes::refused)?;
    recognised(&app, user, hash).await
}

/// Set a forgotten password with the code of a text message (`POST /auth/phone/codes` with the purpose `reset-password`). Otherwise
/// as by mail; of several accounts it is the one that the number was confirmed for last.
#[utoipa::path(post, operation_id = "reset_password_by_phone", path = "/auth/phone/password", tag = "account",
    request_body = PhoneReset, responses(
    (status = NO_CONTENT, description = "It is set"),
    (status = ACCEPTED, description = "Go on with `POST /auth/password/second-factor`", body = Asked),
    (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`, `password-refused`, `code-refused`"),
    (status = TOO_MANY_REQUESTS, description = "`too-many-attempts`"),
))]
async fn by_phone(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(body): Json<PhoneReset>,
) -> Result<Response> {
    let phone = number(&body.phone)?;
    app.attempts.allow(peer, &headers, &phone).await?;
    let hash = app.users.hash(body.password).await?;
    app.codes.check(Scene::PhoneReset, &phone, None, &body.code).await?;
    let user = app.users.of_phone(&phone).await?.ok_or_else(codes::refused)?;
    recognised(&app, user, hash).await
}

/// Set a forgotten password, second step: the challenge of the first with a code of the second factor.
#[utoipa::path(post, operation_id = "reset_password_second_factor", path = "/auth/password/second-factor", tag = "account",
    request_body = ResetStep, responses(
    (status = NO_CONTENT),
    (status = UNPROCESSABLE_ENTITY, description = "`password-refused`, `second-factor-refused`"),
    (status = TOO_MANY_REQUESTS, description = "`too-many-attempts`"),
))]
async fn second_step(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(body): Json<ResetStep>,
) -> Result<StatusCode> {
    app.attempts.allow(peer, &headers, "").await?;
    let hash = app.users.hash(body.password).await?;
    let user = app.users.may_reset_with_code(body.challenge, body.code).await?;
    set(&app, user, hash).await
}

/// Sets the password of somebody who has shown a code, or asks for their second factor.
async fn recognised(app: &App, user: UserId, hash: PasswordHash) -> Result<Response> {
    match app.users.may_reset(user).await? {
        None => Ok(set(app, user, hash).await?.into_response()),
        Some(challenge) => Ok((StatusCode::ACCEPTED, Json(Asked::from(challenge))).into_response()),
    }
}

async fn set(app: &App, user: UserId, hash: PasswordHash) -> Result<StatusCode> {
    app.users.set_password(user, hash, None).await?;
    if let Some(user) = app.users.user(user).await? {
        app.codes.tell(Letter::PasswordChanged, user.email, user.language);
    }
    Ok(StatusCode::NO_CONTENT)
}
