//! The devices that an account is known on, over HTTP.

use std::collections::HashMap;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Buyer;
use crate::{
    app::App,
    clock::Millis,
    http::{Json, Path},
    problem::{Problem, Result},
    user::{
        Device,
        known::{KEPT, Known},
    },
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(devices)).routes(routes!(forget))
}

/// A device that the account was entered on.
#[derive(Serialize, utoipa::ToSchema)]
struct KnownDevice {
    /// A keyed hash: nobody reads from it which device that is.
    id: String,
    /// What it calls itself, where it is signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    since: Millis,
    /// When it was seen last, to the day.
    seen_at: Millis,
    /// Until when it is remembered if it is not seen again.
    until: Millis,
    /// Whether it is the one that asks.
    current: bool,
}

#[derive(Serialize, utoipa::ToSchema)]
struct KnownDevices {
    devices: Vec<KnownDevice>,
}

/// Devices that my account was entered on, the latest first. A sign-in on any other one is told me by mail.
#[utoipa::path(get, operation_id = "my_devices", path = "/me/devices", tag = "account", security(("bearer" = [])), responses(
    (status = OK, body = KnownDevices),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
))]
async fn devices(State(app): State<App>, buyer: Buyer, headers: HeaderMap) -> Result<Json<KnownDevices>> {
    let known = app.users.devices();
    let mut names = HashMap::new();
    for session in app.users.sessions_of(buyer.id).await? {
        if let Some(print) = session.device {
            names.entry(known.index(buyer.id, print).await?).or_insert(session.label);
        }
    }
    let here = known.index(buyer.id, Device::of(&headers).print()).await?;
    let view = |one: Known| KnownDevice {
        device: names.get(&one.index).cloned().flatten(),
        since: one.first_at,
        seen_at: one.seen_at,
        until: one.seen_at.plus(KEPT),
        current: one.index == here,
        id: one.index,
    };
    Ok(Json(KnownDevices { devices: known.of(buyer.id).await?.into_iter().map(view).collect() }))
}

/// Forget a device. Where it is signed in it stays so; the next sign-in on it is told me as on a new one.
#[utoipa::path(delete, operation_id = "forget_my_device", path = "/me/devices/{id}", tag = "account",
    params(("id" = String, Path)), security(("bearer" = [])), responses(
    (status = NO_CONTENT),
    (status = UNAUTHORIZED, description = "`unauthenticated`, `token-expired`, `token-invalid`"),
    (status = NOT_FOUND, description = "`not-found`"),
))]
async fn forget(State(app): State<App>, buyer: Buyer, Path(id): Path<String>) -> Result<StatusCode> {
    // No hash, and nothing that a database takes for text.
    let hash = id.len() <= 128 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hash && app.users.devices().forget(buyer.id, &id).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::not_found("device"))
}
