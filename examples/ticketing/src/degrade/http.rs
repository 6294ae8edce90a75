//! What is given up, at the desk of operators.

use axum::extract::State;
use nebula_auth::access::{Granted, Requirement};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{Class, Level, Orders};
use crate::{
    app::App,
    clock::Millis,
    http::Json,
    office::{Desk, limits, reason},
    problem::{Problem, Result},
    user::Buyer,
};

/// What this module has for the back office.
pub fn desk() -> Desk {
    Desk::new().routes(Requirement::permission::<limits::Edit>(), routes!(load_state, load_order))
}

/// What is given up, and why.
#[derive(Debug, Serialize, ToSchema)]
struct Load {
    /// The level that holds in the process that answers: so many of `classes` are refused.
    level: u8,
    /// How far that process would go by itself.
    automatic_level: u8,
    /// What operators said last.
    ordered: Orders,
    /// What is given up, the first first.
    classes: [Class; 4],
    /// How late its event loop is.
    lateness_ms: u64,
    /// How long its writes wait for the database.
    wait_ms: u64,
}

fn load(app: &App) -> Load {
    let pressure = app.degrade.pressure();
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Load {
        level: app.degrade.level().number(),
        automatic_level: app.degrade.automatic().number(),
        ordered: app.degrade.ordered(),
        classes: Class::ALL,
        lateness_ms: millis(pressure.lateness),
        wait_ms: millis(pressure.wait),
    }
}

/// What is given up under load, and what was measured.
#[utoipa::path(
    get, operation_id = "load_state", path = "/admin/load", tag = "admin",
    responses((status = 200, body = Load), (status = 403, description = "`forbidden`")),
    security(("bearer" = []))
)]
async fn load_state(State(app): State<App>, _: Granted<limits::Edit>) -> Json<Load> {
    Json(load(&app))
}

/// What is to be given up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// So many classes are refused at least.
    #[schema(minimum = 0, maximum = 4)]
    least: u8,
    /// Whether processes go further by themselves, as far as 3.
    automatic: bool,
    /// Why.
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

/// Say what is given up. Other processes hear of it within seconds.
#[utoipa::path(
    put, operation_id = "load_order", path = "/admin/load", tag = "admin", request_body = Wanted,
    responses(
        (status = 200, body = Load),
        (status = 403, description = "`forbidden`"),
        (status = 422, description = "`invalid-value`"),
    ),
    security(("bearer" = []))
)]
async fn load_order(
    State(app): State<App>,
    _: Granted<limits::Edit>,
    who: Buyer,
    Json(wanted): Json<Wanted>,
) -> Result<Json<Load>> {
    let level =
        Level::new(wanted.least).ok_or_else(|| Problem::invalid("least", format!("0 to {}.", Level::MOST.number())))?;
    let reason = reason(&wanted.reason)?;
    let made_by = who.id.to_string();
    let orders = Orders {
        least: level.number(),
        automatic: wanted.automatic,
        reason: reason.to_owned(),
        made_by: made_by.clone(),
        made_at: Millis::now(),
    };
    app.degrade.order(orders).await?;
    let what = format!("{} {}", level.number(), if wanted.automatic { "automatic" } else { "fixed" });
    app.office.changed(&made_by, "load.order", &what, reason).await?;
    Ok(Json(load(&app)))
}
