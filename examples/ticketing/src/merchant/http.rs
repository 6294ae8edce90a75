//! Merchants over HTTP: the platform makes them, and everybody who works at a desk asks which.

use std::collections::BTreeMap;

use axum::{extract::State, http::StatusCode};
use nebula_auth::access::{AuthContext, Requirement};
use nebula_tenant::TenantId;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Merchant, NewMerchant, staff};
use crate::{
    app::App,
    http::{Json, Path},
    ids::UserId,
    office::{Desk, PERMISSIONS, Reach, Sight, account, merchant},
    problem::{Problem, Result},
};

/// A merchant to be made.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Its short name: 1 to 63 of `a-z`, `0-9` and `-`.
    id: String,
    name: String,
    name_zh: String,
    #[serde(default)]
    domains: Vec<String>,
}

/// What a merchant is to become.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Change {
    /// The version that you read.
    version: u64,
    name: String,
    name_zh: String,
    domains: Vec<String>,
    /// Whether buyers are refused in its name.
    suspended: bool,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct AllMerchants {
    merchants: Vec<Merchant>,
}

/// What somebody may do, and at whose desks.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Desks {
    merchants: Vec<OwnDesk>,
    permissions: Vec<&'static str>,
}

/// A desk where somebody works.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct OwnDesk {
    #[serde(flatten)]
    merchant: Merchant,
    /// The fields that are not for everybody, as `order.buyer-email`, and how they are seen there: `full`, `masked`, `hidden`.
    fields: BTreeMap<String, &'static str>,
}

/// What an account is to become.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Standing {
    /// What rules of prices know: `NORMAL`, `VIP`.
    kind: crate::user::Kind,
    /// Whether it is kept out.
    disabled: bool,
}

/// What everybody may do.
#[must_use]
pub fn routes() -> OpenApiRouter<App> {
    staff::routes()
}

/// What this module has for the back office.
pub fn desk() -> Desk {
    Desk::new()
        .routes(Requirement::permission::<merchant::Read>(), routes!(list))
        .routes(Requirement::permission::<merchant::Manage>(), routes!(create))
        .routes(Requirement::permission::<merchant::Manage>(), routes!(change))
        .routes(Requirement::permission::<account::Manage>(), routes!(judge))
        .routes(Requirement::Authenticated, routes!(desks))
        .merge(staff::desk())
}

fn name(text: &str) -> Result<TenantId> {
    text.parse().map_err(|error: nebula_tenant::InvalidTenantId| Problem::invalid("id", error.to_string()))
}

/// All merchants.
#[utoipa::path(
    operation_id = "merchants_list",
    get, path = "/admin/merchants", tag = "admin", responses((status = OK, body = AllMerchants)),
    security(("bearer" = [])))]
async fn list(State(app): State<App>) -> Result<Json<AllMerchants>> {
    Ok(Json(AllMerchants { merchants: app.merchants.all().await? }))
}

/// Make a merchant.
#[utoipa::path(
    operation_id = "merchants_create",
    post, path = "/admin/merchants", tag = "admin", request_body = Wanted, responses(
    (status = CREATED, body = Merchant),
    (status = CONFLICT, description = "`name-taken`"),
    (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
), security(("bearer" = [])))]
async fn create(State(app): State<App>, Json(body): Json<Wanted>) -> Result<(StatusCode, Json<Merchant>)> {
    let id = name(&body.id)?;
    let new = NewMerchant { name: &body.name, name_zh: &body.name_zh, domains: &body.domains };
    let made = app.merchants.create(id.clone(), &new).await?;
    app.office.open_department(&id, &format!("{} · {}", made.name, made.name_zh)).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Change a merchant.
#[utoipa::path(
    operation_id = "merchants_change",
    put, path = "/admin/merchants/{id}", tag = "admin", params(("id" = String, Path)), request_body = Change,
    responses(
        (status = OK, body = Merchant),
        (status = NOT_FOUND, description = "`not-found`"),
        (status = CONFLICT, description = "`version-conflict`, `name-taken`"),
        (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
    ), security(("bearer" = [])))]
async fn change(State(app): State<App>, Path(id): Path<String>, Json(body): Json<Change>) -> Result<Json<Merchant>> {
    let id: TenantId = id.parse().map_err(|_| Problem::not_found("merchant"))?;
    let new = NewMerchant { name: &body.name, name_zh: &body.name_zh, domains: &body.domains };
    let changed = app.merchants.change(&id, body.version, &new).await?;
    app.office.open_department(&id, &format!("{} · {}", changed.name, changed.name_zh)).await?;
    if body.suspended == (changed.status == "suspended") {
        return Ok(Json(changed));
    }
    Ok(Json(app.merchants.suspend(&id, body.suspended).await?))
}

/// Say of what kind a buyer is, or keep an account out. Its sessions end at once.
#[utoipa::path(
    operation_id = "merchants_judge",
    put, path = "/admin/accounts/{id}", tag = "admin", params(("id" = UserId, Path)), request_body = Standing,
    responses((status = NO_CONTENT), (status = NOT_FOUND, description = "`not-found`")), security(("bearer" = [])))]
async fn judge(State(app): State<App>, Path(id): Path<UserId>, Json(body): Json<Standing>) -> Result<StatusCode> {
    app.users.judge(id, body.kind, body.disabled).await?;
    app.office.set_disabled(id, body.disabled).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// At whose desks you work, and what you may do there.
#[utoipa::path(
    operation_id = "merchants_desks",
    get, path = "/desk", tag = "desk", responses((status = OK, body = Desks)), security(("bearer" = [])))]
async fn desks(State(app): State<App>) -> Result<Json<Desks>> {
    let context = AuthContext::current()?;
    let subject = context.principal().map(|principal| principal.subject().to_owned()).unwrap_or_default();
    let user: UserId = subject.parse().map_err(|_| Problem::not_found("account"))?;
    let reach = app.office.reach(user).await?;
    let mut merchants = Vec::new();
    if reach != Reach::Nobody {
        let sight = Sight::current().await?;
        for merchant in app.merchants.all().await? {
            let id: TenantId = merchant.id.parse().map_err(Problem::internal)?;
            if reach.includes(&id) {
                merchants.push(OwnDesk { merchant, fields: sight.fields(&id) });
            }
        }
    }
    let mut permissions = Vec::new();
    for name in PERMISSIONS {
        let permission = nebula_auth::rbac::Permission::new(name).map_err(Problem::internal)?;
        if context.has(&permission).await? {
            permissions.push(*name);
        }
    }
    Ok(Json(Desks { merchants, permissions }))
}
