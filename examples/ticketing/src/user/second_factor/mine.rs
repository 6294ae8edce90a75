//! One's own second factor over HTTP: set up, shown, renewed, removed.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use nebula_auth::{
    AuthMethod, Principal, RefreshOptions, RevokeReason, StepUpRefusal, SteppedUp,
    axum::Authenticated,
    mfa::{EnrolmentRefusal, FactorCheck, FactorProof, RecoveryCodes, SecondFactor as _},
    secrecy::{ExposeSecret, SecretString},
};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::refusal;
use crate::{
    app::App,
    http::Json,
    problem::{Code, Problem, Result},
    qr,
    user::{Buyer, Device, Letter, users::failed},
};

/// Whether there is one.
#[derive(Serialize, utoipa::ToSchema)]
struct SecondFactorState {
    enabled: bool,
    /// Recovery codes that were not used.
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_codes: Option<usize>,
    /// Whether the account works where one is demanded.
    demanded: bool,
}

/// A new secret, shown once. It counts when its first code was seen.
#[derive(Serialize, utoipa::ToSchema)]
struct NewSecret {
    /// For those who type it.
    secret: String,
    /// The same as a QR code: an SVG document.
    #[serde(skip_serializing_if = "Option::is_none")]
    qr: Option<String>,
}

/// A code of the app, or a recovery code.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct OneCode {
    #[schema(value_type = String, example = "123456")]
    code: SecretString,
}

/// Codes for the day on which the phone is lost, shown once. Each works once.
#[derive(Serialize, utoipa::ToSchema)]
struct Recovery {
    recovery_codes: Vec<String>,
    /// An access token that says that the second factor was shown; none where the session was begun by a code as well, and one signs
    /// in again for what needs one.
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
}

/// An access token that says that the second factor was shown.
#[derive(Serialize, utoipa::ToSchema)]
struct Shown {
    access_token: String,
}

pub(in crate::user) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(state, enrol, remove))
        .routes(routes!(confirm))
        .routes(routes!(renew))
        .routes(routes!(show))
}

fn changed<T>(outcome: Result<T, EnrolmentRefusal>) -> Result<T> {
    outcome.map_err(|refused| match refused {
        EnrolmentRefusal::Code(code) => refusal(code),
        refused => Problem::new(Code::StepUpRequired, refused.to_string()),
    })
}

fn words(codes: &RecoveryCodes) -> Vec<String> {
    codes.codes().iter().map(|code| code.expose_secret().to_owned()).collect()
}

/// Says of the session that its second factor was shown; `None` for one that was begun by a code without it, which is the same
/// kind of proof.
async fn stepped_up(
    app: &App,
    principal: &Principal,
    proof: FactorProof,
    headers: &HeaderMap,
) -> Result<Option<String>> {
    let options = RefreshOptions::new().device(Device::of(headers).print());
    match app.users.sessions().step_up(principal, proof, options).await.map_err(failed)? {
        SteppedUp::Renewed(issued) => Ok(Some(issued.token.expose_secret().to_owned())),
        SteppedUp::Refused(StepUpRefusal::SameFactor) => Ok(None),
        SteppedUp::Refused(refused) => Err(Problem::new(Code::TokenInvalid, refused.to_string())),
    }
}

/// What follows on every change of the factor: other devices are signed out, and the owner is told.
async fn told(app: &App, buyer: Buyer, principal: &Principal, letter: Letter) -> Result<()> {
    app.users.end_sessions(buyer.id, principal.session_id(), RevokeReason::CredentialsChanged).await?;
    let user = app.users.known(buyer.id).await?;
    app.codes.tell(letter, user.email, user.language);
    Ok(())
}

/// Whether I have a second factor.
#[utoipa::path(get, operation_id = "my_second_factor", path = "/me/second-factor", tag = "account",
    security(("bearer" = [])), responses(
    (status = OK, body = SecondFactorState),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
))]
async fn state(State(app): State<App>, buyer: Buyer) -> Result<Json<SecondFactorState>> {
    let left = app.users.second_factor().recovery_codes_left(&buyer.id.to_string()).await.map_err(failed)?;
    let demanded = super::demanded(&app, buyer.id).await?;
    Ok(Json(SecondFactorState { enabled: left.is_some(), recovery_codes: left, demanded }))
}

/// Begin to set up a second factor, or another one: the secret, shown once. Whoever has one shows it first.
#[utoipa::path(post, operation_id = "enrol_second_factor", path = "/me/second-factor", tag = "account",
    security(("bearer" = [])), responses(
    (status = OK, body = NewSecret),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
    (status = FORBIDDEN, description = "`step-up-required`"),
))]
async fn enrol(
    State(app): State<App>,
    buyer: Buyer,
    Authenticated(principal): Authenticated,
) -> Result<Json<NewSecret>> {
    let user = app.users.known(buyer.id).await?;
    let enrolment = changed(app.users.second_factor().enrol(&principal, &user.email).await.map_err(failed)?)?;
    let qr = qr::svg(enrolment.uri().expose_secret());
    Ok(Json(NewSecret { secret: enrolment.secret().expose_secret().to_owned(), qr }))
}

/// Finish setting up a second factor with its first code. From now on it is asked for; other devices are signed out.
#[utoipa::path(post, operation_id = "confirm_second_factor", path = "/me/second-factor/confirm", tag = "account",
    request_body = OneCode, security(("bearer" = [])), responses(
    (status = OK, body = Recovery),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
    (status = FORBIDDEN, description = "`step-up-required`"),
    (status = UNPROCESSABLE_ENTITY, description = "`second-factor-refused`"),
    (status = TOO_MANY_REQUESTS, description = "`too-many-attempts`"),
))]
async fn confirm(
    State(app): State<App>,
    buyer: Buyer,
    Authenticated(principal): Authenticated,
    headers: HeaderMap,
    Json(body): Json<OneCode>,
) -> Result<Json<Recovery>> {
    let codes = changed(app.users.second_factor().confirm(&principal, &body.code).await.map_err(failed)?)?;
    told(&app, buyer, &principal, Letter::SecondFactorOn).await?;
    // The code has just been seen.
    let proof = FactorProof::vouched(buyer.id.to_string(), AuthMethod::OneTimeCode);
    let access_token = stepped_up(&app, &principal, proof, &headers).await?;
    Ok(Json(Recovery { recovery_codes: words(&codes), access_token }))
}

/// Make new recovery codes; the old ones work no more. Show the second factor first.
#[utoipa::path(post, operation_id = "renew_recovery_codes", path = "/me/second-factor/recovery-codes", tag = "account",
    security(("bearer" = [])), responses(
    (status = OK, body = Recovery),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
    (status = FORBIDDEN, description = "`step-up-required`"),
    (status = NOT_FOUND, description = "`not-found`: there is no second factor"),
))]
async fn renew(State(app): State<App>, _: Buyer, Authenticated(principal): Authenticated) -> Result<Json<Recovery>> {
    let renewed = app.users.second_factor().renew_recovery_codes(&principal).await.map_err(failed)?;
    let codes = changed(renewed)?.ok_or_else(|| Problem::not_found("second factor"))?;
    Ok(Json(Recovery { recovery_codes: words(&codes), access_token: None }))
}

/// Show my second factor: it may be changed or removed for five minutes, and what asks for a recent proof lets through.
#[utoipa::path(post, operation_id = "show_second_factor", path = "/me/second-factor/show", tag = "account",
    request_body = OneCode, security(("bearer" = [])), responses(
    (status = OK, body = Shown),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
    (status = FORBIDDEN, description = "`step-up-required`: the session was begun by a code; sign in again"),
    (status = UNPROCESSABLE_ENTITY, description = "`second-factor-refused`"),
    (status = TOO_MANY_REQUESTS, description = "`too-many-attempts`"),
))]
async fn show(
    State(app): State<App>,
    buyer: Buyer,
    Authenticated(principal): Authenticated,
    headers: HeaderMap,
    Json(body): Json<OneCode>,
) -> Result<Json<Shown>> {
    let proof = match app.users.second_factor().check(&buyer.id.to_string(), &body.code).await.map_err(failed)? {
        FactorCheck::Accepted(proof) => proof,
        FactorCheck::Refused(refused) => return Err(refusal(refused)),
    };
    let again =
        || Problem::new(Code::StepUpRequired, "Sign in again, with your second factor.").with("reason", "session");
    Ok(Json(Shown { access_token: stepped_up(&app, &principal, proof, &headers).await?.ok_or_else(again)? }))
}

/// Remove my second factor. Show it first. Other devices are signed out.
#[utoipa::path(delete, operation_id = "remove_second_factor", path = "/me/second-factor", tag = "account",
    security(("bearer" = [])), responses(
    (status = NO_CONTENT),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
    (status = FORBIDDEN, description = "`step-up-required`"),
))]
async fn remove(State(app): State<App>, buyer: Buyer, Authenticated(principal): Authenticated) -> Result<StatusCode> {
    changed(app.users.second_factor().disable(&principal).await.map_err(failed)?)?;
    told(&app, buyer, &principal, Letter::SecondFactorOff).await?;
    Ok(StatusCode::NO_CONTENT)
}
