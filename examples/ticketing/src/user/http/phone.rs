//! Telephone numbers over HTTP: confirmed by a code, and a way in.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode},
};
use nebula_auth::secrecy::SecretString;
use nebula_notification::Phone;
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Buyer, Person, SignedIn,
    profile::{Sent, proven},
};
use crate::{
    app::App,
    http::Json,
    language::Language,
    problem::{Problem, Result},
    user::{
        Device, Scene, codes,
        second_factor::{Answer, Voucher},
    },
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(confirm_code))
        .routes(routes!(confirm, remove))
        .routes(routes!(sign_in_code))
        .routes(routes!(sign_in))
}

/// The number in its one form.
pub(super) fn number(text: &str) -> Result<String> {
    let detail = "This is no telephone number with its country, such as +86 138 0013 8000.";
    let number = Phone::parse(text.trim(), None).map_err(|_| Problem::invalid("phone", detail))?;
    Ok(number.as_str().to_owned())
}

fn deliverable(app: &App) -> Result<()> {
    if app.codes.letters().texts() {
        return Ok(());
    }
    Err(Problem::unavailable("no provider of text messages is configured, and there is no development outbox"))
}

/// A number that my account is to have.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct NewNumber {
    /// In international form.
    #[schema(example = "+86 138 0013 8000")]
    phone: String,
    /// My password: whoever has the number can sign in.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
}

/// Send a code to the number that my account is to have.
#[utoipa::path(post, operation_id = "phone_code", path = "/me/phone/codes", tag = "account", request_body = NewNumber,
    security(("bearer" = [])), responses(
    (status = ACCEPTED, body = Sent),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`, `wrong-credentials`"),
    (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
    (status = TOO_MANY_REQUESTS, description = "`too-many-attempts`: 5 codes a day to a number, 10 from a network"),
    (status = SERVICE_UNAVAILABLE, description = "`busy`, `unavailable`"),
))]
async fn confirm_code(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    buyer: Buyer,
    Json(body): Json<NewNumber>,
) -> Result<(StatusCode, Json<Sent>)> {
    let phone = number(&body.phone)?;
    deliverable(&app)?;
    let user = proven(&app, peer, &headers, buyer, body.password).await?;
    app.attempts.allow_code(peer, &headers, &phone).await?;
    let holds = app.codes.send(Scene::ConfirmPhone, &phone, Some(user.id), user.language).await?;
    Ok((StatusCode::ACCEPTED, Json(Sent { expires_in: holds.as_secs() })))
}

/// A number with its code.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct ConfirmedNumber {
    phone: String,
    #[schema(value_type = String)]
    code: SecretString,
}

/// Give my account the number, with the code that was sent there.
#[utoipa::path(put, operation_id = "confirm_phone", path = "/me/phone", tag = "account", request_body = ConfirmedNumber,
    security(("bearer" = [])), responses(
    (status = OK, body = Person),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
    (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`, `code-refused`"),
    (status = TOO_MANY_REQUESTS, description = "`too-many-attempts`"),
))]
async fn confirm(State(app): State<App>, buyer: Buyer, Json(body): Json<ConfirmedNumber>) -> Result<Json<Person>> {
    let phone = number(&body.phone)?;
    app.codes.check(Scene::ConfirmPhone, &phone, Some(buyer.id), &body.code).await?;
    app.users.change_phone(buyer.id, Some(&phone)).await?;
    Ok(Json(Person::of(&app, app.users.known(buyer.id).await?).await?))
}

/// Take the number of my account away.
#[utoipa::path(delete, operation_id = "remove_phone", path = "/me/phone", tag = "account", security(("bearer" = [])), responses(
    (status = NO_CONTENT),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
))]
async fn remove(State(app): State<App>, buyer: Buyer) -> Result<StatusCode> {
    app.users.change_phone(buyer.id, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a code is asked for.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
enum TextPurpose {
    #[default]
    SignIn,
    ResetPassword,
}

/// A code that is asked for.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct WantedTextCode {
    phone: String,
    #[serde(default)]
    purpose: TextPurpose,
    /// The language of the message.
    #[serde(default)]
    language: Language,
}

/// Send a code to sign in with, or to set a forgotten password. The answer is the same whether the number has an account or not.
#[utoipa::path(post, operation_id = "phone_sign_in_code", path = "/auth/phone/codes", tag = "account", request_body = WantedTextCode, responses(
    (status = ACCEPTED, body = Sent),
    (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
    (status = TOO_MANY_REQUESTS, description = "`too-many-attempts`"),
    (status = SERVICE_UNAVAILABLE, description = "`busy`, `unavailable`"),
))]
async fn sign_in_code(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(body): Json<WantedTextCode>,
) -> Result<(StatusCode, Json<Sent>)> {
    let phone = number(&body.phone)?;
    deliverable(&app)?;
    app.attempts.allow_code(peer, &headers, &phone).await?;
    let scene = match body.purpose {
        TextPurpose::SignIn => Scene::PhoneSignIn,
        TextPurpose::ResetPassword => Scene::PhoneReset,
    };
    let holds = app.codes.send(scene, &phone, None, body.language).await?;
    Ok((StatusCode::ACCEPTED, Json(Sent { expires_in: holds.as_secs() })))
}

/// Sign in with a confirmed telephone number. Of several accounts it is the one that the number was confirmed for last.
#[utoipa::path(post, operation_id = "phone_sign_in", path = "/auth/phone", tag = "account", request_body = ConfirmedNumber, responses(
    (status = OK, body = SignedIn),
    (status = ACCEPTED, description = "Go on with `POST /auth/login/second-factor`", body = Answer),
    (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`, `code-refused`"),
    (status = TOO_MANY_REQUESTS, description = "`too-many-attempts`"),
))]
async fn sign_in(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(body): Json<ConfirmedNumber>,
) -> Result<(StatusCode, Json<Answer>)> {
    let phone = number(&body.phone)?;
    app.attempts.allow(peer, &headers, &phone).await?;
    app.codes.check(Scene::PhoneSignIn, &phone, None, &body.code).await?;
    let user = app.users.of_phone(&phone).await?.ok_or_else(codes::refused)?;
    let entry = app.users.enter_vouched(user, Voucher::Phone, &Device::of(&headers)).await?;
    Answer::of(&app, entry).await
}
