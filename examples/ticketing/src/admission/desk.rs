//! Admission in the back office: what a sale asks, and how often somebody may do something.

use axum::{extract::State, http::StatusCode};
use nebula_auth::access::{Granted, Requirement};
use nebula_cache::rate_limit::{RateLimitConfig, Rule};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{kinds::Kind, limits::RULES, policy::Policy};
use crate::{
    app::App,
    http::{Json, Path},
    ids::SessionId,
    merchant::Staff,
    office::{self, Desk},
    problem::{Code, Problem, Result},
    user::Buyer,
};

/// What this module has for the back office.
pub fn desk() -> Desk {
    Desk::new()
        .routes(Requirement::permission::<office::admission::Read>(), routes!(admission_policy))
        .routes(Requirement::permission::<office::admission::Edit>(), routes!(admission_policy_change))
        .routes(Requirement::permission::<office::limits::Edit>(), routes!(set_limit))
}

/// What the sale of a session asks.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Sold in the flash-sale domain. Settled a minute before the sale opens, and when somebody has ordered.
    #[serde(default)]
    flash: bool,
    /// The steps.
    policy: Policy,
}

/// What a sale asks of buyers.
#[utoipa::path(
    get, path = "/admin/sessions/{id}/admission", tag = "admin", params(("id" = SessionId, Path)),
    responses((status = 200, body = Settings), (status = 403, description = "`forbidden`"), (status = 404, description = "`not-found`")),
    security(("bearer" = []))
)]
async fn admission_policy(
    State(app): State<App>,
    _: Granted<office::admission::Read>,
    staff: Staff,
    Path(id): Path<SessionId>,
) -> Result<Json<Settings>> {
    staff.session(&app, id).await?;
    let policy = (*app.admission.policies().of(id).await?).clone();
    Ok(Json(Settings { flash: app.admission.kinds().of(id).await? == Kind::Flash, policy }))
}

/// Change what a sale asks of buyers. In force within half a second on every server.
#[utoipa::path(
    put, path = "/admin/sessions/{id}/admission", tag = "admin", params(("id" = SessionId, Path)),
    request_body = Settings,
    responses(
        (status = 200, body = Settings),
        (status = 403, description = "`forbidden`"),
        (status = 404, description = "`not-found`"),
        (status = 409, description = "`sale-under-way`"),
        (status = 422, description = "`invalid-value`"),
    ),
    security(("bearer" = []))
)]
async fn admission_policy_change(
    State(app): State<App>,
    _: Granted<office::admission::Edit>,
    staff: Staff,
    Path(id): Path<SessionId>,
    Json(wanted): Json<Settings>,
) -> Result<Json<Settings>> {
    let session = staff.session(&app, id).await?;
    wanted.policy.check()?;
    let kind = if wanted.flash { Kind::Flash } else { Kind::Show };
    app.admission.kinds().set(&session, kind).await?;
    let text = serde_json::to_string(&wanted).map_err(Problem::internal)?;
    app.admission.policies().put(id, wanted.policy.clone(), staff.user.to_string()).await?;
    app.office.changed(&staff.user.to_string(), "admission.change", &format!("session:{id}"), &text).await?;
    Ok(Json(wanted))
}

/// A rule, as in the configuration: `rate`, `per` and `burst`, or `limit` and `window`.
#[derive(Debug, Deserialize, ToSchema)]
struct LimitRule {
    /// The rule.
    #[schema(value_type = Object, example = json!({"rate": 60, "per": "1m", "burst": 10}))]
    rule: serde_json::Value,
    /// Why.
    reason: String,
}

/// Change a limit while the platform runs, on every server.
///
/// `order.ip`, `order.user`, `order.session`, `challenge.user`, `quote.user`, `conduct.user`, `conduct.ip`, `conduct.gap`, `conduct.strikes`.
/// Servers without Redis forget it when they stop: what is to last belongs into the configuration.
#[utoipa::path(
    put, path = "/admin/limits/{name}", tag = "admin", params(("name" = String, Path)), request_body = LimitRule,
    responses(
        (status = 204, description = "In force"),
        (status = 403, description = "`forbidden`"),
        (status = 404, description = "`not-found`: no such rule"),
        (status = 422, description = "`invalid-value`"),
    ),
    security(("bearer" = []))
)]
async fn set_limit(
    State(app): State<App>,
    _: Granted<office::limits::Edit>,
    who: Buyer,
    Path(name): Path<String>,
    Json(wanted): Json<LimitRule>,
) -> Result<StatusCode> {
    if !RULES.contains(&name.as_str()) {
        return Err(Problem::not_found("rule"));
    }
    let reason = office::reason(&wanted.reason)?;
    let rule = read(&name, &wanted.rule).await?;
    for (_, domain) in app.admission.domains() {
        domain.limits.limiter().set_rule(rule.clone()).await.map_err(Problem::unavailable)?;
    }
    let text = format!("{reason}: {}", wanted.rule);
    app.office.changed(&who.id.to_string(), "limits.change", &format!("limit:{name}"), &text).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reads a rule as the configuration would.
async fn read(name: &str, rule: &serde_json::Value) -> Result<Rule> {
    let invalid = |error: String| {
        let detail = format!("This is no rule: {error}. Give `rate`, `per` and `burst`, or `limit` and `window`.");
        Problem::new(Code::InvalidValue, detail).with("field", "rule")
    };
    let config: RateLimitConfig =
        serde_json::from_value(serde_json::json!({ "rules": { name: rule } })).map_err(|e| invalid(e.to_string()))?;
    let limiter = config.connect().await.map_err(|error| invalid(crate::problem::chain(&error)))?;
    limiter.rule(name).ok_or_else(|| invalid("it is empty".to_owned()))
}
