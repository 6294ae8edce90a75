//! What administrators do for whoever lost phone and recovery codes.

use axum::{extract::State, http::StatusCode};
use nebula_auth::{RevokeReason, access::Requirement};
use utoipa_axum::routes;

use crate::{
    app::App,
    http::Path,
    ids::UserId,
    merchant::Staff,
    office::{Desk, Office, account},
    problem::{Code, Problem, Result},
    user::{Letter, User, Users, users::failed},
};

/// What second factors have for the back office.
pub fn desk() -> Desk {
    Desk::new().routes(Requirement::permission::<account::Manage>(), routes!(reset))
}

/// Removes the second factor of an account for somebody who knows otherwise who asks. The account's sessions end, and the log
/// says who did it.
///
/// # Errors
///
/// A store or the log failed.
///
/// # Cancel safety
///
/// Call it again.
pub async fn forget_second_factor(users: &Users, office: &Office, user: &User, by: &str) -> Result<()> {
    users.second_factor().reset(&user.id.to_string()).await.map_err(failed)?;
    users.end_sessions(user.id, None, RevokeReason::Administrator).await?;
    office.changed(by, "second-factor:reset", &format!("account {}", user.id), "").await
}

/// Remove the second factor of an account, of whose owner you know otherwise who it is. Its sessions end, and the owner is told.
#[utoipa::path(delete, operation_id = "reset_second_factor", path = "/admin/accounts/{id}/second-factor", tag = "admin",
    params(("id" = UserId, Path)), security(("bearer" = [])), responses(
    (status = NO_CONTENT),
    (status = FORBIDDEN, description = "`forbidden`: one's own is removed at `/me/second-factor`"),
    (status = NOT_FOUND, description = "`not-found`"),
))]
async fn reset(State(app): State<App>, staff: Staff, Path(id): Path<UserId>) -> Result<StatusCode> {
    if id == staff.user {
        let detail = "Nobody vouches for themselves: show your second factor to remove it, or ask somebody else.";
        return Err(Problem::new(Code::Forbidden, detail).with("reason", "own"));
    }
    let user = app.users.known(id).await?;
    forget_second_factor(&app.users, &app.office, &user, &staff.user.to_string()).await?;
    app.codes.tell(Letter::SecondFactorOff, user.email, user.language);
    Ok(StatusCode::NO_CONTENT)
}
