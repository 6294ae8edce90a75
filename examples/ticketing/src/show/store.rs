//! Writes to the catalog, for the importer, the demo data and the rehearsals. All within the caller's transaction.

use std::{collections::BTreeMap, time::Duration};

use nebula_tenant::TenantId;

use super::{
    Genre,
    plan::{Category, Seat},
};
use crate::{
    clock::Millis,
    ids::{PlanId, SessionId, ShowId, VenueId, platform},
    money::Money,
    storage::{
        Connection,
        sql::{Sql, query},
    },
};

const INSERT_SEATS: Sql = Sql::Each {
    sqlite: include_str!("sql/insert_seats.sqlite.sql"),
    postgres: include_str!("sql/insert_seats.postgres.sql"),
};

/// Seats in one statement.
const CHUNK: usize = 2_000;

/// A seating plan to be stored.
#[derive(Clone, Debug)]
pub struct NewPlan {
    /// Its name.
    pub name: String,
    /// Width of the drawing.
    pub width: f64,
    /// Height of the drawing.
    pub height: f64,
    /// Decoration with absolute positions: a JSON array.
    pub areas: serde_json::Value,
    /// Price categories.
    pub categories: Vec<Category>,
    /// What zones, standing areas and categories are called in Chinese, by their names.
    pub names_zh: BTreeMap<String, String>,
    /// The seats, in the order of their positions.
    pub seats: Vec<Seat>,
    /// SHA-256 of the source, in hexadecimal digits.
    pub digest: String,
}

/// A show to be stored.
#[derive(Clone, Debug, Default)]
pub struct NewShow {
    /// The merchant; the platform itself if absent.
    pub merchant: Option<TenantId>,
    /// Title.
    pub title: String,
    /// Title in Chinese.
    pub title_zh: String,
    /// A few sentences.
    pub description: String,
    /// The same in Chinese.
    pub description_zh: String,
    /// Who performs.
    pub artist: String,
    /// The same in Chinese.
    pub artist_zh: String,
    /// What kind of show it is.
    pub genre: Genre,
    /// Not listed.
    pub hidden: bool,
}

/// A session to be stored.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The show.
    pub show: ShowId,
    /// The seating plan.
    pub plan: PlanId,
    /// When the performance begins.
    pub starts_at: Millis,
    /// From then on seats are sold.
    pub sale_opens_at: Millis,
    /// From then on no more.
    pub sale_closes_at: Millis,
    /// How long an unpaid order keeps its seats.
    pub hold: Duration,
    /// Most seats one buyer may have.
    pub seats_per_user: u32,
    /// Price by category.
    pub prices: BTreeMap<String, Money>,
}

/// The platform's own venue of this name, made when there is none.
///
/// # Errors
///
/// The database failed.
///
/// # Cancel safety
///
/// What was written is undone with the caller's transaction. So for every function here.
pub async fn venue(connection: &mut Connection<'_>, name: &str, city: &str, address: &str) -> sqlx::Result<VenueId> {
    venue_of(connection, &platform(), name, city, address).await
}

/// A merchant's venue of this name, made when there is none.
///
/// # Errors
///
/// The database failed.
pub async fn venue_of(
    connection: &mut Connection<'_>,
    merchant: &TenantId,
    name: &str,
    city: &str,
    address: &str,
) -> sqlx::Result<VenueId> {
    query(
        "INSERT INTO venues (id, tenant_id, name, city, address, created_at) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (tenant_id, name) DO NOTHING",
    )
    .bind(VenueId::new())
    .bind(merchant.as_str())
    .bind(name)
    .bind(city)
    .bind(address)
    .bind(Millis::now().0)
    .execute(&mut *connection)
    .await?;
    query("SELECT id FROM venues WHERE tenant_id = $1 AND name = $2")
        .bind(merchant.as_str())
        .bind(name)
        .scalar(connection)
        .await
}

/// Stores a plan; `progress` is told how many seats were written since it was last called.
///
/// # Errors
///
/// The database failed, or a `guid` stands twice.
pub async fn insert_plan(
    connection: &mut Connection<'_>,
    venue: VenueId,
    plan: &NewPlan,
    progress: impl Fn(usize) + Send + Sync,
) -> sqlx::Result<PlanId> {
    let id = PlanId::new();
    query(
        // Whose the venue is, the plan is.
        "INSERT INTO plans (id, venue_id, name, width, height, areas, digest, created_at, names_zh, tenant_id) \
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, tenant_id FROM venues WHERE id = $2",
    )
    .bind(id)
    .bind(venue)
    .bind(&plan.name)
    .bind(plan.width)
    .bind(plan.height)
    .bind(plan.areas.to_string())
    .bind(&plan.digest)
    .bind(Millis::now().0)
    .bind(serde_json::json!(plan.names_zh).to_string())
    .execute(&mut *connection)
    .await?;
    for category in &plan.categories {
        query("INSERT INTO plan_categories (plan_id, name, color) VALUES ($1, $2, $3)")
            .bind(id)
            .bind(&category.name)
            .bind(&category.color)
            .execute(&mut *connection)
            .await?;
    }
    for (index, seats) in plan.seats.chunks(CHUNK).enumerate() {
        let json = serde_json::to_string(seats).map_err(|error| sqlx::Error::Encode(error.into()))?;
        query(INSERT_SEATS)
            .bind(id)
            .bind(i64::try_from(index * CHUNK).unwrap_or(i64::MAX))
            .bind(json)
            .execute(&mut *connection)
            .await?;
        progress(seats.len());
    }
    Ok(id)
}

/// Stores a show.
///
/// # Errors
///
/// The database failed.
pub async fn insert_show(connection: &mut Connection<'_>, show: &NewShow) -> sqlx::Result<ShowId> {
    let id = ShowId::new();
    query(
        "INSERT INTO shows (id, title, title_zh, description, description_zh, hidden, created_at, tenant_id, artist, \
         artist_zh, genre) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(id)
    .bind(&show.title)
    .bind(&show.title_zh)
    .bind(&show.description)
    .bind(&show.description_zh)
    .bind(show.hidden)
    .bind(Millis::now().0)
    .bind(show.merchant.as_ref().unwrap_or(&platform()).as_str())
    .bind(&show.artist)
    .bind(&show.artist_zh)
    .bind(show.genre.as_str())
    .execute(connection)
    .await?;
    Ok(id)
}

/// Stores a session with its prices.
///
/// # Errors
///
/// The database failed.
pub async fn insert_session(connection: &mut Connection<'_>, session: &NewSession) -> sqlx::Result<SessionId> {
    let id = SessionId::new();
    query(
        // Whose the show is, the session is.
        "INSERT INTO sessions (id, show_id, plan_id, starts_at, sale_opens_at, sale_closes_at, hold_ms, seats_per_user, \
         created_at, tenant_id) SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, tenant_id FROM shows WHERE id = $2",
    )
    .bind(id)
    .bind(session.show)
    .bind(session.plan)
    .bind(session.starts_at.0)
    .bind(session.sale_opens_at.0)
    .bind(session.sale_closes_at.0)
    .bind(i64::try_from(session.hold.as_millis()).unwrap_or(i64::MAX))
    .bind(session.seats_per_user)
    .bind(Millis::now().0)
    .execute(&mut *connection)
    .await?;
    insert_prices(connection, id, &session.prices).await?;
    Ok(id)
}

/// Stores the prices of a session, which has none.
///
/// # Errors
///
/// The database failed.
pub async fn insert_prices(
    connection: &mut Connection<'_>,
    session: SessionId,
    prices: &BTreeMap<String, Money>,
) -> sqlx::Result<()> {
    for (category, price) in prices {
        query(
            "INSERT INTO session_prices (session_id, category, minor, currency, tenant_id) \
             SELECT $1, $2, $3, $4, tenant_id FROM sessions WHERE id = $1",
        )
        .bind(session)
        .bind(category)
        .bind(price.minor)
        .bind(price.currency.code())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
