//! The ways into my account, beside its password.

use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, State},
    http::{HeaderMap, StatusCode},
};
use nebula_auth::axum::Authenticated;
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::http::{Begin, Begun, begun};
use crate::{
    app::App,
    clock::Millis,
    http::{Json, Path},
    problem::Result,
    user::Buyer,
};

pub(in crate::user) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(identities)).routes(routes!(link, unlink))
}

/// A provider that leads into my account.
#[derive(Serialize, utoipa::ToSchema)]
struct IdentityView {
    provider: String,
    since: Millis,
}

/// The providers that lead into my account.
#[derive(Serialize, utoipa::ToSchema)]
struct IdentitiesView {
    identities: Vec<IdentityView>,
}

/// The providers that lead into my account.
#[utoipa::path(get, operation_id = "my_identities", path = "/me/identities", tag = "account", security(("bearer" = [])), responses(
    (status = OK, body = IdentitiesView),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
))]
async fn identities(State(app): State<App>, buyer: Buyer) -> Result<Json<IdentitiesView>> {
    let identities = app.federation.0.identities.of(buyer.id).await?;
    let view =
        |identity: super::identities::Identity| IdentityView { provider: identity.provider, since: identity.since };
    Ok(Json(IdentitiesView { identities: identities.into_iter().map(view).collect() }))
}

/// Begin to let a provider lead into my account: send the browser to `url`.
#[utoipa::path(post, operation_id = "link_identity", path = "/me/identities/{provider}", tag = "account",
    params(("provider" = String, Path)), request_body = Begin, security(("bearer" = [])), responses(
    (status = OK, body = Begun),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
    (status = NOT_FOUND, description = "`not-found`"),
    (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
    (status = TOO_MANY_REQUESTS, description = "`too-many-attempts`"),
    (status = SERVICE_UNAVAILABLE, description = "`unavailable`: the provider, too, may be away"),
))]
async fn link(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    _buyer: Buyer,
    Authenticated(principal): Authenticated,
    Path(name): Path<String>,
    Json(body): Json<Begin>,
) -> Result<(HeaderMap, Json<Begun>)> {
    app.federation.provider(&name)?;
    app.attempts.allow(peer, &headers, "").await?;
    begun(&app.federation, &name, body.return_to, Some(&principal)).await
}

/// Take a provider away from my account.
#[utoipa::path(delete, operation_id = "unlink_identity", path = "/me/identities/{provider}", tag = "account",
    params(("provider" = String, Path)), security(("bearer" = [])), responses(
    (status = NO_CONTENT),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
    (status = NOT_FOUND, description = "`not-found`"),
    (status = CONFLICT, description = "`in-use`: it is the only way in"),
))]
async fn unlink(State(app): State<App>, buyer: Buyer, Path(name): Path<String>) -> Result<StatusCode> {
    app.federation.0.identities.remove(&name, buyer.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
