//! DeskVenues.

use axum::{extract::State, http::StatusCode};
use nebula_auth::access::Requirement;
use serde::{Deserialize, Serialize};
use utoipa_axum::routes;

use super::{One, Version, changed, text};
use crate::{
    app::App,
    clock::Millis,
    http::{Json, Path, Query},
    ids::VenueId,
    merchant::AtDesk,
    office::{Desk, catalog},
    problem::{Code, Problem, Result},
    storage::sql::Row,
};

const FIND: &str = "SELECT id, name, city, address, latitude, longitude, version FROM venues WHERE id = $1";

/// A venue as its merchant sees it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct DeskVenue {
    id: VenueId,
    #[serde(flatten)]
    about: VenueAbout,
    version: i64,
}

/// What is said of a venue.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
struct VenueAbout {
    name: String,
    #[serde(default)]
    city: String,
    #[serde(default)]
    address: String,
    /// Degrees north, for a map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    latitude: Option<f64>,
    /// Degrees east.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    longitude: Option<f64>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
struct DeskVenues {
    venues: Vec<DeskVenue>,
}

#[derive(Debug, Deserialize, utoipa::ToSchema)]
struct VenueChange {
    /// The version that you read.
    version: i64,
    #[serde(flatten)]
    about: VenueAbout,
}

impl VenueAbout {
    fn checked(self) -> Result<Self> {
        let within = |field, value: Option<f64>, most: f64| match value {
            Some(value) if !(-most..=most).contains(&value) => {
                Err(Problem::invalid(field, format!("Degrees from -{most} to {most}.")))
            }
            _ => Ok(value),
        };
        if self.latitude.is_some() != self.longitude.is_some() {
            return Err(Problem::invalid("longitude", "Both degrees, or none."));
        }
        Ok(Self {
            name: text("name", &self.name, 1, 200)?,
            city: text("city", &self.city, 0, 100)?,
            address: text("address", &self.address, 0, 300)?,
            latitude: within("latitude", self.latitude, 90.0)?,
            longitude: within("longitude", self.longitude, 180.0)?,
        })
    }
}

fn venue(row: &Row) -> Result<DeskVenue> {
    let about = VenueAbout {
        name: row.get("name")?,
        city: row.get("city")?,
        address: row.get("address")?,
        latitude: row.get("latitude")?,
        longitude: row.get("longitude")?,
    };
    Ok(DeskVenue { id: row.get("id")?, about, version: row.get("version")? })
}

pub(super) fn desk() -> Desk {
    let write = || Requirement::permission::<catalog::Write>();
    Desk::new()
        .routes(Requirement::permission::<catalog::Read>(), routes!(list))
        .routes(write(), routes!(create))
        .routes(write(), routes!(change))
        .routes(write(), routes!(remove))
}

async fn read(app: &App, desk: &AtDesk, id: VenueId) -> Result<Json<DeskVenue>> {
    let row = desk.scope.query(FIND).bind(id).fetch_optional(&app.database.read).await?;
    venue(&row.ok_or_else(|| Problem::not_found("venue"))?).map(Json)
}

fn taken() -> Problem {
    Problem::new(Code::NameTaken, "There is a venue of this name.").with("field", "name")
}

/// The merchant's venues.
#[utoipa::path(
    operation_id = "venues_list",
    get, path = "/desk/{merchant}/venues", tag = "desk", params(("merchant" = String, Path)),
    responses((status = OK, body = DeskVenues), (status = NOT_FOUND, description = "`not-found`")), security(("bearer" = [])))]
async fn list(State(app): State<App>, desk: AtDesk) -> Result<Json<DeskVenues>> {
    let sql = "SELECT id, name, city, address, latitude, longitude, version FROM venues ORDER BY name LIMIT 1000";
    let rows = desk.scope.query(sql).fetch_all(&app.database.read).await?;
    Ok(Json(DeskVenues { venues: rows.iter().map(venue).collect::<Result<_>>()? }))
}

/// Add a venue.
#[utoipa::path(
    operation_id = "venues_create",
    post, path = "/desk/{merchant}/venues", tag = "desk", params(("merchant" = String, Path)),
    request_body = VenueAbout, responses(
        (status = CREATED, body = DeskVenue),
        (status = CONFLICT, description = "`name-taken`"),
        (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
    ), security(("bearer" = [])))]
async fn create(
    State(app): State<App>,
    desk: AtDesk,
    Json(about): Json<VenueAbout>,
) -> Result<(StatusCode, Json<DeskVenue>)> {
    let (id, about, scope) = (VenueId::new(), about.checked()?, desk.scope.clone());
    let made = app
        .database
        .write
        .run(move |connection| {
            Box::pin(async move {
                scope
                    .query(
                        "INSERT INTO venues (id, name, city, address, latitude, longitude, created_at) \
                         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (name) DO NOTHING",
                    )
                    .bind(id)
                    .bind(about.name)
                    .bind(about.city)
                    .bind(about.address)
                    .bind(about.latitude)
                    .bind(about.longitude)
                    .bind(Millis::now().0)
                    .execute(connection)
                    .await
            })
        })
        .await?;
    if made == 0 {
        return Err(taken());
    }
    desk.note(&app, "venue:create", id).await?;
    Ok((StatusCode::CREATED, read(&app, &desk, id).await?))
}

/// VenueChange a venue.
#[utoipa::path(
    operation_id = "venues_change",
    put, path = "/desk/{merchant}/venues/{id}", tag = "desk",
    params(("merchant" = String, Path), ("id" = VenueId, Path)), request_body = VenueChange, responses(
        (status = OK, body = DeskVenue),
        (status = NOT_FOUND, description = "`not-found`"),
        (status = CONFLICT, description = "`version-conflict`, `name-taken`"),
        (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
    ), security(("bearer" = [])))]
async fn change(
    State(app): State<App>,
    desk: AtDesk,
    Path(one): Path<One<VenueId>>,
    Json(body): Json<VenueChange>,
) -> Result<Json<DeskVenue>> {
    let (id, about, scope) = (one.id, body.about.checked()?, desk.scope.clone());
    app.database
        .write
        .run(move |connection| {
            Box::pin(async move {
                let other = scope.query("SELECT id FROM venues WHERE name = $1 AND id <> $2");
                if other.bind(about.name.clone()).bind(id).exists(&mut *connection).await? {
                    return Err(taken());
                }
                let rows = scope
                    .query(
                        "UPDATE venues SET name = $1, city = $2, address = $3, latitude = $4, longitude = $5, \
                         version = version + 1 WHERE id = $6 AND version = $7",
                    )
                    .bind(about.name)
                    .bind(about.city)
                    .bind(about.address)
                    .bind(about.latitude)
                    .bind(about.longitude)
                    .bind(id)
                    .bind(body.version)
                    .execute(&mut *connection)
                    .await?;
                changed(connection, &scope, rows, FIND, id, "venue").await
            })
        })
        .await?;
    app.catalog.forget_venue(id).await;
    desk.note(&app, "venue:change", id).await?;
    read(&app, &desk, id).await
}

/// Remove a venue without seating plans.
#[utoipa::path(
    operation_id = "venues_remove",
    delete, path = "/desk/{merchant}/venues/{id}", tag = "desk",
    params(("merchant" = String, Path), ("id" = VenueId, Path), Version), responses(
        (status = NO_CONTENT),
        (status = NOT_FOUND, description = "`not-found`"),
        (status = CONFLICT, description = "`version-conflict`, `in-use`"),
    ), security(("bearer" = [])))]
async fn remove(
    State(app): State<App>,
    desk: AtDesk,
    Path(one): Path<One<VenueId>>,
    Query(body): Query<Version>,
) -> Result<StatusCode> {
    let (id, scope) = (one.id, desk.scope.clone());
    app.database
        .write
        .run(move |connection| {
            Box::pin(async move {
                if scope.query("SELECT id FROM plans WHERE venue_id = $1").bind(id).exists(&mut *connection).await? {
                    return Err(Problem::new(Code::InUse, "It has seating plans."));
                }
                let gone = scope.query("DELETE FROM venues WHERE id = $1 AND version = $2");
                let rows = gone.bind(id).bind(body.version).execute(&mut *connection).await?;
                changed(connection, &scope, rows, FIND, id, "venue").await
            })
        })
        .await?;
    desk.note(&app, "venue:remove", id).await?;
    Ok(StatusCode::NO_CONTENT)
}
