//! What people do with their account over HTTP: confirm, change, and sign out elsewhere.

use std::{net::SocketAddr, time::UNIX_EPOCH};

use axum::{
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode},
};
use nebula_auth::{RevokeReason, Session, axum::Authenticated, secrecy::SecretString};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Buyer, Person, address, name};
use crate::{
    app::App,
    clock::Millis,
    http::{Json, Path, Query},
    language::Language,
    problem::{Code, Problem, Result},
    user::{Letter, Profile, Scene, User},
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(send_code))
        .routes(routes!(change))
        .routes(routes!(change_password))
        .routes(routes!(email_code))
        .routes(routes!(change_email))
        .routes(routes!(sessions, end_sessions))
        .routes(routes!(end_session))
}

/// What a stranger asks a code for.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Purpose {
    Register,
    ResetPassword,
    SignIn,
}

/// A code that is asked for.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[schema(example = "mei@example.com")]
    email: String,
    purpose: Purpose,
    /// The language of the mail.
    #[serde(default)]
    language: Language,
}

/// A code may be on its way.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Sent {
    /// Seconds that it holds.
    pub(super) expires_in: u64,
}

/// Send a code by mail. The answer is the same whether the address has an account or not.
#[utoipa::path(post, operation_id = "account_code", path = "/auth/codes", tag = "account", request_body = Wanted, responses(
    (status = ACCEPTED, body = Sent),
    (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
    (status = TOO_MANY_REQUESTS, description = "`too-many-attempts`"),
    (status = SERVICE_UNAVAILABLE, description = "`busy`, `unavailable`"),
))]
async fn send_code(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(body): Json<Wanted>,
) -> Result<(StatusCode, Json<Sent>)> {
    let email = address(&body.email)?;
    let scene = match body.purpose {
        Purpose::Register => Scene::Register,
        Purpose::ResetPassword => Scene::ResetPassword,
        Purpose::SignIn => Scene::SignIn,
    };
    deliverable(&app)?;
    app.attempts.allow_code(peer, &headers, &email).await?;
    let holds = app.codes.send(scene, &email, None, body.language).await?;
    Ok((StatusCode::ACCEPTED, Json(Sent { expires_in: holds.as_secs() })))
}

fn deliverable(app: &App) -> Result<()> {
    if app.codes.letters().delivers() {
        return Ok(());
    }
    Err(Problem::unavailable("no mail server is configured, and there is no development outbox"))
}

/// What is to change; what is left out stays.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Change {
    #[schema(min_length = 1, max_length = 80)]
    display_name: Option<String>,
    /// In which language to write to me.
    language: Option<Language>,
    /// Whether to send me text messages about my orders, once my telephone number is confirmed.
    text_messages: Option<bool>,
}

/// Change my name, my language, or whether I get text messages.
#[utoipa::path(patch, operation_id = "change_me", path = "/me", tag = "account", request_body = Change,
    security(("bearer" = [])), responses(
    (status = OK, body = Person),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
    (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
))]
async fn change(State(app): State<App>, buyer: Buyer, Json(body): Json<Change>) -> Result<Json<Person>> {
    let display_name = body.display_name.as_deref().map(name).transpose()?;
    app.users
        .change(buyer.id, Profile { display_name, language: body.language, text_messages: body.text_messages })
        .await?;
    Ok(Json(Person::of(&app, app.users.known(buyer.id).await?).await?))
}

/// Another password.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    /// The password of now.
    #[schema(value_type = String, format = Password)]
    current: SecretString,
    #[schema(value_type = String, format = Password, min_length = 8)]
    password: SecretString,
}

/// Change my password. I stay signed in here, and nowhere else.
#[utoipa::path(post, operation_id = "change_password", path = "/me/password", tag = "account", request_body = NewPassword,
    security(("bearer" = [])), responses(
    (status = NO_CONTENT),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`, `wrong-credentials`"),
    (status = UNPROCESSABLE_ENTITY, description = "`password-refused`"),
    (status = TOO_MANY_REQUESTS, description = "`too-many-attempts`"),
))]
async fn change_password(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    buyer: Buyer,
    Authenticated(principal): Authenticated,
    Json(body): Json<NewPassword>,
) -> Result<StatusCode> {
    let user = proven(&app, peer, &headers, buyer, body.current).await?;
    let hash = app.users.hash(body.password).await?;
    app.users.set_password(user.id, hash, principal.session_id()).await?;
    app.codes.tell(Letter::PasswordChanged, user.email, user.language);
    Ok(StatusCode::NO_CONTENT)
}

/// The account, if the password is its own: whoever finds a screen unlocked has no password.
pub(super) async fn proven(
    app: &App,
    peer: SocketAddr,
    headers: &HeaderMap,
    buyer: Buyer,
    password: SecretString,
) -> Result<User> {
    let user = app.users.known(buyer.id).await?;
    app.attempts.allow(peer, headers, &user.email).await?;
    app.users.login(&user.email, password).await
}

/// Another address.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct NewAddress {
    email: String,
    /// My password.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
}

/// Send a code to the address that my account is to have.
#[utoipa::path(post, operation_id = "change_email_code", path = "/me/email/codes", tag = "account",
    request_body = NewAddress, security(("bearer" = [])), responses(
    (status = ACCEPTED, body = Sent),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`, `wrong-credentials`"),
    (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
    (status = TOO_MANY_REQUESTS, description = "`too-many-attempts`"),
    (status = SERVICE_UNAVAILABLE, description = "`busy`, `unavailable`"),
))]
async fn email_code(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    buyer: Buyer,
    Json(body): Json<NewAddress>,
) -> Result<(StatusCode, Json<Sent>)> {
    let email = address(&body.email)?;
    deliverable(&app)?;
    let user = proven(&app, peer, &headers, buyer, body.password).await?;
    app.attempts.allow_code(peer, &headers, &email).await?;
    let holds = app.codes.send(Scene::ChangeEmail, &email, Some(user.id), user.language).await?;
    Ok((StatusCode::ACCEPTED, Json(Sent { expires_in: holds.as_secs() })))
}

/// An address with its code.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Confirmed {
    email: String,
    #[schema(value_type = String)]
    code: SecretString,
}

/// Change my address with the code that was sent there. The former address is told.
#[utoipa::path(put, operation_id = "change_email", path = "/me/email", tag = "account", request_body = Confirmed,
    security(("bearer" = [])), responses(
    (status = OK, body = Person),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
    (status = CONFLICT, description = "`email-taken`"),
    (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`, `code-refused`"),
    (status = TOO_MANY_REQUESTS, description = "`too-many-attempts`"),
))]
async fn change_email(State(app): State<App>, buyer: Buyer, Json(body): Json<Confirmed>) -> Result<Json<Person>> {
    let email = address(&body.email)?;
    let former = app.users.known(buyer.id).await?;
    app.codes.check(Scene::ChangeEmail, &email, Some(buyer.id), &body.code).await?;
    app.users.change_email(buyer.id, &email).await?;
    if former.email != email {
        app.codes.tell(Letter::EmailChanged, former.email, former.language);
    }
    Ok(Json(Person::of(&app, app.users.known(buyer.id).await?).await?))
}

/// A device that is signed in.
#[derive(Serialize, utoipa::ToSchema)]
struct SignIn {
    id: String,
    /// What the device calls itself.
    device: Option<String>,
    since: Millis,
    /// When it was last seen.
    seen_at: Millis,
    /// Whether it is the one that asks.
    current: bool,
}

/// Where an account is signed in.
#[derive(Serialize, utoipa::ToSchema)]
struct SignIns {
    sessions: Vec<SignIn>,
}

/// Where I am signed in, the latest first.
#[utoipa::path(get, operation_id = "my_sessions", path = "/me/sessions", tag = "account", security(("bearer" = [])), responses(
    (status = OK, body = SignIns),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
))]
async fn sessions(
    State(app): State<App>,
    buyer: Buyer,
    Authenticated(principal): Authenticated,
) -> Result<Json<SignIns>> {
    let here = principal.session_id();
    let sign_in = |session: Session| SignIn {
        current: here == Some(session.id.as_str()),
        id: session.id,
        device: session.label,
        since: millis(session.created_at),
        seen_at: millis(session.refreshed_at),
    };
    let sessions = app.users.sessions_of(buyer.id).await?.into_iter().map(sign_in).collect();
    Ok(Json(SignIns { sessions }))
}

fn millis(time: std::time::SystemTime) -> Millis {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Whether the device that asks stays signed in.
    #[serde(default)]
    others: bool,
}

/// Sign out everywhere, or everywhere else.
#[utoipa::path(delete, operation_id = "end_my_sessions", path = "/me/sessions", tag = "account", params(Which),
    security(("bearer" = [])), responses(
    (status = NO_CONTENT),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
))]
async fn end_sessions(
    State(app): State<App>,
    buyer: Buyer,
    Authenticated(principal): Authenticated,
    Query(which): Query<Which>,
) -> Result<StatusCode> {
    let keep = principal.session_id().filter(|_| which.others);
    app.users.end_sessions(buyer.id, keep, RevokeReason::LogoutEverywhere).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sign a device out.
#[utoipa::path(delete, operation_id = "end_my_session", path = "/me/sessions/{id}", tag = "account",
    params(("id" = String, Path)), security(("bearer" = [])), responses(
    (status = NO_CONTENT),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
    (status = NOT_FOUND, description = "`not-found`"),
))]
async fn end_session(
    State(app): State<App>,
    buyer: Buyer,
    Authenticated(principal): Authenticated,
    Path(id): Path<String>,
) -> Result<StatusCode> {
    if id.len() > 64 || id.chars().any(char::is_control) {
        return Err(Problem::new(Code::NotFound, "There is no such session."));
    }
    app.users.end_session(buyer.id, &id, principal.session_id()).await?;
    Ok(StatusCode::NO_CONTENT)
}
