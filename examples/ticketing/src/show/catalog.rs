//! The catalog: what is on, where, and at which price. Read through SeaORM, kept in memory for a moment.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use axum::body::Bytes;
use nebula_tenant::TenantId;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder};

use super::{
    cache::Cache,
    entity::{plan, plan_category, plan_seat, session, session_price, show, venue},
    listing::Listing,
    plan::{Category, Plan, Seat, SeatMap},
};
use crate::{
    clock::Millis,
    ids::{PlanId, SeatPosition, SessionId, ShowId},
    money::{Currency, Money},
    problem::{Code, Problem, Result},
};

/// How long a session and its prices are believed: prices may change at any time, also by another process.
const SESSION_AGE: Duration = Duration::from_millis(500);

/// Most seats in one order.
const MAX_SEATS: usize = 10;

/// Reads the catalog.
#[derive(Clone, Debug)]
pub struct Catalog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    orm: DatabaseConnection,
    plans: Cache<PlanId, Arc<Plan>>,
    sessions: Cache<SessionId, Arc<SessionInfo>>,
    listing: Listing,
}

/// A session with all that an order needs to know.
#[derive(Clone, Debug)]
pub struct SessionInfo {
    /// Its identifier.
    pub id: SessionId,
    /// Whose it is.
    pub merchant: TenantId,
    /// Whether buyers can find it.
    pub published: bool,
    /// The show it performs.
    pub show_id: ShowId,
    /// The show's title.
    pub title: String,
    /// The show's title in Chinese.
    pub title_zh: String,
    /// Name of the venue.
    pub venue: String,
    /// City of the venue.
    pub city: String,
    /// Not listed: a rehearsal.
    pub hidden: bool,
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
    /// The seating plan.
    pub plan: Arc<Plan>,
    /// Price by category. A category that is missing here is not for sale.
    pub prices: BTreeMap<String, Money>,
}

/// A seat of a session with its price.
#[derive(Clone, Copy, Debug)]
pub struct PricedSeat<'a> {
    /// Number of the seat within the plan.
    pub position: SeatPosition,
    /// The seat.
    pub seat: &'a Seat,
    /// What it costs now.
    pub price: Money,
}

impl SessionInfo {
    /// The seat of this name, if there is one and it has a price.
    #[must_use]
    pub fn seat(&self, guid: &str) -> Option<PricedSeat<'_>> {
        self.seat_at(self.plan.position(guid)?)
    }

    /// The seat at this position, if there is one and it has a price.
    #[must_use]
    pub fn seat_at(&self, position: SeatPosition) -> Option<PricedSeat<'_>> {
        let seat = self.plan.seat(position)?;
        Some(PricedSeat { position, seat, price: *self.prices.get(&*seat.category)? })
    }

    /// The seats of these names, by position, for one order.
    ///
    /// # Errors
    ///
    /// [`Code::SeatCount`], [`Code::DuplicateSeat`], [`Code::UnknownSeat`].
    pub fn choose(&self, names: &[String]) -> Result<Vec<PricedSeat<'_>>> {
        if names.is_empty() || names.len() > MAX_SEATS {
            let detail = format!("The order has {} seats; 1 to {MAX_SEATS} are allowed.", names.len());
            return Err(Problem::new(Code::SeatCount, detail));
        }
        let mut seen = HashSet::new();
        if let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str())) {
            return Err(Problem::new(Code::DuplicateSeat, "A seat stands twice in the order.").with("seats", [twice]));
        }
        let unknown: Vec<&String> = names.iter().filter(|name| self.seat(name).is_none()).collect();
        if !unknown.is_empty() {
            return Err(Problem::new(Code::UnknownSeat, "This session sells no such seat.").with("seats", unknown));
        }
        let mut seats: Vec<_> = names.iter().filter_map(|name| self.seat(name)).collect();
        seats.sort_by_key(|seat| seat.position);
        Ok(seats)
    }

    /// Number of seats.
    #[must_use]
    pub fn seat_count(&self) -> u32 {
        u32::try_from(self.plan.seats.len()).unwrap_or(u32::MAX)
    }
}

impl Catalog {
    /// A catalog on this connection.
    #[must_use]
    pub fn new(orm: DatabaseConnection) -> Self {
        Self(Arc::new(Inner {
            orm,
            plans: Cache::new("plans", 64, None),
            sessions: Cache::new("sessions", 1_024, Some(SESSION_AGE)),
            listing: Listing::new(),
        }))
    }

    pub(super) fn listing(&self) -> &Listing {
        &self.0.listing
    }

    pub(super) fn orm(&self) -> &DatabaseConnection {
        &self.0.orm
    }

    /// A session; prices are at most half a second old.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`](crate::problem::Code::NotFound) when there is none; otherwise the database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn session(&self, id: SessionId) -> Result<Arc<SessionInfo>> {
        self.0.sessions.get(id, || self.load_session(id)).await
    }

    /// A session, read from the database now.
    ///
    /// # Errors
    ///
    /// As [`session`](Self::session).
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn session_now(&self, id: SessionId) -> Result<Arc<SessionInfo>> {
        self.forget_session(id);
        self.session(id).await
    }

    /// Call when a session's prices or times were changed by this process; other processes notice within a second.
    pub fn forget_session(&self, id: SessionId) {
        self.0.sessions.forget(&id);
    }

    /// Call when shows were changed by this process; other processes notice within half a second.
    pub fn forget_shows(&self) {
        self.0.listing.forget();
    }

    /// A seating plan.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`](crate::problem::Code::NotFound) when there is none; otherwise the database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn plan(&self, id: PlanId) -> Result<Arc<Plan>> {
        self.0.plans.get(id, || self.load_plan(id)).await
    }

    /// All sessions, hidden ones too, for work that runs over every session.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn session_ids(&self) -> Result<Vec<SessionId>> {
        let rows = session::Entity::find().order_by_asc(session::Column::Id).all(self.orm()).await?;
        rows.iter().map(|row| id(&row.id)).collect()
    }

    async fn load_session(&self, key: SessionId) -> Result<Arc<SessionInfo>> {
        let orm = self.orm();
        let row = session::Entity::find_by_id(key.to_string())
            .one(orm)
            .await?
            .ok_or_else(|| Problem::not_found("session"))?;
        let (show, plan) =
            tokio::try_join!(show::Entity::find_by_id(&row.show_id).one(orm), plan_venue(orm, &row.plan_id))?;
        let show = show.ok_or_else(|| Problem::internal(format!("session {key} has no show")))?;
        let venue = plan.ok_or_else(|| Problem::internal(format!("session {key} has no venue")))?;
        let prices =
            session_price::Entity::find().filter(session_price::Column::SessionId.eq(&row.id)).all(orm).await?;
        let prices = prices
            .into_iter()
            .map(|row| Ok((row.category, money(row.minor, &row.currency)?)))
            .collect::<Result<_>>()?;
        Ok(Arc::new(SessionInfo {
            id: key,
            merchant: tenant(&row.tenant_id)?,
            published: row.published != 0 && show.published != 0,
            show_id: id(&row.show_id)?,
            title: show.title,
            title_zh: show.title_zh,
            venue: venue.name,
            city: venue.city,
            hidden: show.hidden != 0,
            starts_at: Millis(row.starts_at),
            sale_opens_at: Millis(row.sale_opens_at),
            sale_closes_at: Millis(row.sale_closes_at),
            hold: Duration::from_millis(u64::try_from(row.hold_ms).unwrap_or(0)),
            seats_per_user: u32::try_from(row.seats_per_user).unwrap_or(0),
            plan: self.plan(id(&row.plan_id)?).await?,
            prices,
        }))
    }

    async fn load_plan(&self, key: PlanId) -> Result<Arc<Plan>> {
        let orm = self.orm();
        let row =
            plan::Entity::find_by_id(key.to_string()).one(orm).await?.ok_or_else(|| Problem::not_found("plan"))?;
        let categories = plan_category::Entity::find()
            .filter(plan_category::Column::PlanId.eq(&row.id))
            .order_by_asc(plan_category::Column::Name)
            .all(orm)
            .await?;
        let seats = plan_seat::Entity::find()
            .filter(plan_seat::Column::PlanId.eq(&row.id))
            .order_by_asc(plan_seat::Column::Position)
            .all(orm)
            .await?;
        // 50,000 seats: keep the threads that answer other requests free.
        tokio::task::spawn_blocking(move || assemble(key, &row, categories, seats))
            .await
            .map_err(Problem::internal)?
            .map(Arc::new)
    }
}

async fn plan_venue(orm: &DatabaseConnection, plan_id: &str) -> Result<Option<venue::Model>, sea_orm::DbErr> {
    let Some(plan) = plan::Entity::find_by_id(plan_id).one(orm).await? else { return Ok(None) };
    venue::Entity::find_by_id(plan.venue_id).one(orm).await
}

pub(super) fn money(minor: i64, currency: &str) -> Result<Money> {
    let known = Currency::from_code(currency);
    let currency = known.ok_or_else(|| Problem::internal(format!("unknown currency `{currency}`")))?;
    Ok(Money { minor, currency })
}

/// Rows of one plan in shared texts: zone, row and category names repeat from seat to seat.
fn assemble(
    key: PlanId,
    row: &plan::Model,
    categories: Vec<plan_category::Model>,
    rows: Vec<plan_seat::Model>,
) -> Result<Plan> {
    let mut texts: std::collections::HashSet<Arc<str>> = std::collections::HashSet::new();
    let mut shared = |text: String| -> Arc<str> {
        if let Some(known) = texts.get(text.as_str()) {
            return Arc::clone(known);
        }
        let text: Arc<str> = text.into();
        texts.insert(Arc::clone(&text));
        text
    };
    let mut seats = Vec::with_capacity(rows.len());
    for (index, seat) in rows.into_iter().enumerate() {
        if usize::try_from(seat.position) != Ok(index) {
            return Err(Problem::internal(format!("plan {key}: seats are not numbered without gaps at {index}")));
        }
        seats.push(Seat {
            guid: seat.guid.into(),
            zone: shared(seat.zone),
            row: shared(seat.row),
            number: seat.number,
            category: shared(seat.category),
            x: seat.x,
            y: seat.y,
            r: seat.radius,
        });
    }
    let categories: Vec<_> = categories.into_iter().map(|row| Category { name: row.name, color: row.color }).collect();
    let areas = serde_json::from_str(&row.areas).map_err(Problem::internal)?;
    let layout = serde_json::to_vec(&SeatMap {
        plan_id: key,
        name: &row.name,
        width: row.width,
        height: row.height,
        categories: &categories,
        areas,
        seats: &seats,
    })
    .map_err(Problem::internal)?;
    Ok(Plan::new(key, row.name.clone(), row.digest.clone(), categories, seats, Bytes::from(layout)))
}

pub(super) fn tenant(text: &str) -> Result<TenantId> {
    text.parse().map_err(|_| Problem::internal(format!("`{text}` names no merchant")))
}

pub(super) fn id<T: std::str::FromStr<Err = uuid::Error>>(text: &str) -> Result<T> {
    text.parse().map_err(|error| Problem::internal(format!("`{text}` is not an identifier: {error}")))
}
