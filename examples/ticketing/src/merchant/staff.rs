//! The staff of a merchant over HTTP: its administrators invite and manage them, within the merchant only.

use axum::{extract::State, http::StatusCode};
use nebula_auth::access::Requirement;
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    AtDesk,
    invitations::{self, Invitation},
};
use crate::{
    app::App,
    http::{Json, Path},
    ids::UserId,
    office::{Desk, Employee, MERCHANT_ROLES, people},
    problem::{Problem, Result},
    user::{Buyer, email},
};

/// Somebody who works for a merchant.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Person {
    user_id: UserId,
    email: String,
    display_name: String,
    roles: Vec<String>,
    /// Whether they have set a second factor up.
    second_factor: bool,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Staff {
    staff: Vec<Person>,
    invitations: Vec<Invitation>,
    /// Whether everybody here needs a second factor.
    second_factor_demanded: bool,
    /// The roles that can be given.
    #[schema(value_type = Vec<String>)]
    roles: [&'static str; MERCHANT_ROLES.len()],
}

/// Whom to invite.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Invite {
    email: String,
    /// One of `merchant-admin`, `box-office`, `door`, `finance`, `support`.
    role: String,
}

/// An invitation with the code that opens it, which is shown this once.
#[derive(Serialize, utoipa::ToSchema)]
struct Invited {
    #[serde(flatten)]
    invitation: Invitation,
    code: String,
}

/// What everybody here needs.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Demand {
    /// Whether it is a second factor.
    demanded: bool,
}

/// The code of an invitation.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct Accept {
    code: String,
}

/// Where somebody works now.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Accepted {
    merchant: String,
    role: String,
}

#[derive(Debug, Deserialize)]
struct OneInvitation {
    id: Uuid,
}

#[derive(Debug, Deserialize)]
struct RoleOf {
    user: UserId,
    role: String,
}

/// What everybody who is signed in may do.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(accept))
}

pub(super) fn desk() -> Desk {
    let manage = || Requirement::permission::<people::Manage>();
    Desk::new()
        .routes(Requirement::permission::<people::Read>(), routes!(list))
        .routes(manage(), routes!(invite))
        .routes(manage(), routes!(revoke))
        .routes(manage(), routes!(give))
        .routes(manage(), routes!(take))
        .routes(manage(), routes!(demand))
}

async fn person(app: &App, employee: Employee) -> Result<Option<Person>> {
    let Some(user) = app.users.user(employee.user).await? else { return Ok(None) };
    let Employee { user: user_id, roles } = employee;
    let (second_factor, email) = (app.users.has_second_factor(user_id).await?, email::masked(&user.email));
    Ok(Some(Person { user_id, email, display_name: user.display_name, roles, second_factor }))
}

/// Who works for the merchant, and who is invited to.
#[utoipa::path(
    operation_id = "staff_list",
    get, path = "/desk/{merchant}/staff", tag = "desk", params(("merchant" = String, Path)),
    responses((status = OK, body = Staff), (status = NOT_FOUND, description = "`not-found`")), security(("bearer" = [])))]
async fn list(State(app): State<App>, desk: AtDesk) -> Result<Json<Staff>> {
    let mut staff = Vec::new();
    for employee in app.office.staff_of(desk.merchant()).await? {
        staff.extend(person(&app, employee).await?);
    }
    let invitations = invitations::list(&app.database, &app.vault, &desk.scope).await?;
    let second_factor_demanded = app.merchants.demands_second_factor(desk.merchant()).await?;
    Ok(Json(Staff { staff, invitations, second_factor_demanded, roles: MERCHANT_ROLES }))
}

/// Invite somebody. The code is shown this once: pass it on.
#[utoipa::path(
    operation_id = "staff_invite",
    post, path = "/desk/{merchant}/invitations", tag = "desk", params(("merchant" = String, Path)),
    request_body = Invite, responses(
        (status = CREATED, body = Invited),
        (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
    ), security(("bearer" = [])))]
async fn invite(State(app): State<App>, desk: AtDesk, Json(body): Json<Invite>) -> Result<(StatusCode, Json<Invited>)> {
    let email =
        email::canonical(&body.email).ok_or_else(|| Problem::invalid("email", "This is not an e-mail address."))?;
    if !MERCHANT_ROLES.contains(&body.role.as_str()) {
        return Err(Problem::invalid("role", format!("A merchant gives these roles: {}.", MERCHANT_ROLES.join(", "))));
    }
    let (invitation, code) =
        invitations::invite(&app.database, &app.vault, &desk.scope, desk.user, email, body.role).await?;
    desk.note(&app, "staff:invite", format!("invitation/{}", invitation.id)).await?;
    Ok((StatusCode::CREATED, Json(Invited { invitation, code })))
}

/// Take an invitation back.
#[utoipa::path(
    operation_id = "staff_revoke",
    delete, path = "/desk/{merchant}/invitations/{id}", tag = "desk",
    params(("merchant" = String, Path), ("id" = Uuid, Path)),
    responses((status = NO_CONTENT), (status = NOT_FOUND, description = "`not-found`")), security(("bearer" = [])))]
async fn revoke(State(app): State<App>, desk: AtDesk, Path(one): Path<OneInvitation>) -> Result<StatusCode> {
    invitations::revoke(&app.database, &desk.scope, one.id).await?;
    desk.note(&app, "staff:uninvite", format!("invitation/{}", one.id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give somebody who works here a role.
#[utoipa::path(
    operation_id = "staff_give",
    put, path = "/desk/{merchant}/staff/{user}/roles/{role}", tag = "desk",
    params(("merchant" = String, Path), ("user" = UserId, Path), ("role" = String, Path)),
    responses(
        (status = NO_CONTENT),
        (status = NOT_FOUND, description = "`not-found`"),
        (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
    ), security(("bearer" = [])))]
async fn give(State(app): State<App>, desk: AtDesk, Path(one): Path<RoleOf>) -> Result<StatusCode> {
    let RoleOf { user, role } = one;
    app.office.employee(user, desk.merchant()).await?;
    app.office.employ(user, desk.merchant(), &role).await?;
    desk.note(&app, "staff:give", format!("{user}/{role}")).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take a role from somebody who works here. Without any they work here no more.
#[utoipa::path(
    operation_id = "staff_take",
    delete, path = "/desk/{merchant}/staff/{user}/roles/{role}", tag = "desk",
    params(("merchant" = String, Path), ("user" = UserId, Path), ("role" = String, Path)),
    responses(
        (status = NO_CONTENT),
        (status = NOT_FOUND, description = "`not-found`"),
        (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`: nobody takes their own"),
    ), security(("bearer" = [])))]
async fn take(State(app): State<App>, desk: AtDesk, Path(one): Path<RoleOf>) -> Result<StatusCode> {
    let RoleOf { user, role } = one;
    if user == desk.user {
        return Err(Problem::invalid("user", "Nobody takes their own roles: somebody has to stay."));
    }
    app.office.withdraw(user, desk.merchant(), &role).await?;
    desk.note(&app, "staff:take", format!("{user}/{role}")).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Say whether everybody who works here needs a second factor. Those without one come no further than setting it up.
#[utoipa::path(
    operation_id = "staff_second_factor",
    put, path = "/desk/{merchant}/second-factor", tag = "desk", params(("merchant" = String, Path)), request_body = Demand,
    responses(
        (status = NO_CONTENT),
        (status = NOT_FOUND, description = "`not-found`"),
        (status = CONFLICT, description = "`version-conflict`: somebody changed the merchant at the same moment"),
    ), security(("bearer" = [])))]
async fn demand(State(app): State<App>, desk: AtDesk, Json(body): Json<Demand>) -> Result<StatusCode> {
    app.merchants.demand_second_factor(desk.merchant(), body.demanded).await?;
    desk.note(&app, "staff:second-factor", if body.demanded { "demanded" } else { "free" }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Accept an invitation, as the account with the address that was invited.
#[utoipa::path(
    operation_id = "staff_accept",
    post, path = "/invitations/accept", tag = "account", request_body = Accept, responses(
    (status = OK, body = Accepted),
    (status = CONFLICT, description = "`invitation-refused`"),
), security(("bearer" = [])))]
async fn accept(State(app): State<App>, buyer: Buyer, Json(body): Json<Accept>) -> Result<Json<Accepted>> {
    let user = app.users.known(buyer.id).await?;
    let (merchant, role) = invitations::opened(&app.database, &app.vault, &body.code, &user.email).await?;
    // In this order: what breaks off in between can be repeated.
    app.office.employ(buyer.id, &merchant, &role).await?;
    invitations::close(&app.database, app.merchants.scope(&merchant)?, &body.code).await?;
    Ok(Json(Accepted { merchant: merchant.to_string(), role }))
}
