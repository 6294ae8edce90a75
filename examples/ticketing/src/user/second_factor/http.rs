//! The second step of signing in over HTTP.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode},
};
use nebula_auth::{
    SecondFactorChallenge,
    secrecy::{ExposeSecret, SecretString},
};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Entry;
use crate::{
    app::App,
    http::Json,
    problem::Result,
    user::{Device, http::SignedIn},
};

/// What the first step gives to whoever has a second factor. It opens nothing.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::user) struct Challenge {
    /// To be sent back with a code.
    challenge: String,
    /// Seconds that it holds.
    expires_in: u64,
}

/// That the second factor is asked for.
#[derive(Serialize, utoipa::ToSchema)]
pub(in crate::user) struct Asked {
    /// What the second step is answered with.
    second_factor: Challenge,
}

/// How far signing in came.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(in crate::user) enum Answer {
    /// All the way.
    SignedIn(Box<SignedIn>),
    /// To the second factor: go on with `POST /auth/login/second-factor`.
    SecondFactor(Asked),
}

/// The second step.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct SecondStep {
    #[schema(value_type = String)]
    challenge: SecretString,
    /// Of the authenticator app, or a recovery code.
    #[schema(value_type = String, example = "123456")]
    code: SecretString,
}

pub(in crate::user) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(second_step))
}

impl From<SecondFactorChallenge> for Challenge {
    fn from(challenge: SecondFactorChallenge) -> Self {
        let expires_in = challenge.expires_in.as_secs();
        Self { challenge: challenge.challenge.expose_secret().to_owned(), expires_in }
    }
}

impl From<SecondFactorChallenge> for Asked {
    fn from(challenge: SecondFactorChallenge) -> Self {
        Self { second_factor: challenge.into() }
    }
}

impl Answer {
    /// What somebody is told who came so far, with its status.
    pub(in crate::user) async fn of(app: &App, entry: Entry) -> Result<(StatusCode, Json<Self>)> {
        Ok(match entry {
            Entry::In(arrival) => (StatusCode::OK, Json(Self::SignedIn(Box::new(SignedIn::of(app, *arrival).await?)))),
            Entry::SecondFactor(challenge) => (StatusCode::ACCEPTED, Json(Self::SecondFactor(challenge.into()))),
        })
    }
}

/// Sign in, second step: the challenge of the first with a code.
///
/// A challenge holds five minutes and five codes, and lets in once. A code is accepted once. Wrong codes are counted for the
/// account, whatever challenge and network they come from.
#[utoipa::path(post, operation_id = "login_second_factor", path = "/auth/login/second-factor", tag = "account",
    request_body = SecondStep, responses(
    (status = OK, body = SignedIn),
    (status = UNAUTHORIZED, description = "`wrong-credentials`: the account is kept out"),
    (status = UNPROCESSABLE_ENTITY, description = "`second-factor-refused`"),
    (status = TOO_MANY_REQUESTS, description = "`too-many-attempts`"),
))]
async fn second_step(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(body): Json<SecondStep>,
) -> Result<Json<SignedIn>> {
    app.attempts.allow(peer, &headers, "").await?;
    let arrival = app.users.enter_with_code(body.challenge, body.code, &Device::of(&headers)).await?;
    Ok(Json(SignedIn::of(&app, arrival).await?))
}
