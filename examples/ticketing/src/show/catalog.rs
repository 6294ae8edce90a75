//! The catalog: what is on, where, and at which price. Read through SeaORM, kept by nebula-cache.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::body::Bytes;
use nebula_cache::{CacheManager, HotKeys, Loaded, Readiness};
use nebula_tenant::TenantId;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};

use super::{
    best::Rows,
    caches::{Caches, HotKey, failed, found, show_tag, venue_tag},
    entity::{plan, plan_category, plan_seat, session, session_price, show, venue},
    plan::{Category, Plan, Seat, SeatMap, StandingArea, seated},
};
use crate::{
    clock::Millis,
    ids::{PlanId, SeatPosition, SessionId, ShowId, VenueId},
    money::{Currency, Money},
    picture::Poster,
    problem::{Code, Problem, Result},
};

/// Most seats in one order.
pub const MAX_SEATS: usize = 10;

/// Reads the catalog.
#[derive(Clone, Debug)]
pub struct Catalog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    orm: DatabaseConnection,
    caches: Caches,
}

/// What the database says of a session, as processes share it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Facts {
    merchant: String,
    published: bool,
    show_id: ShowId,
    venue_id: VenueId,
    plan_id: PlanId,
    title: String,
    title_zh: String,
    /// The name of its picture, and what that shows in two languages.
    poster: Option<(String, String, String)>,
    venue: String,
    city: String,
    hidden: bool,
    starts_at: i64,
    sale_opens_at: i64,
    sale_closes_at: i64,
    hold_ms: u64,
    seats_per_user: u32,
    /// Category, minor units, currency.
    prices: Vec<(String, i64, String)>,
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
    /// The show's picture.
    pub poster: Option<Poster>,
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
        // Standing places have names for the books; the server chooses among them.
        let known = |name: &&String| self.seat(name).is_some_and(|seat| !seat.seat.standing);
        let unknown: Vec<&String> = names.iter().filter(|name| !known(name)).collect();
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
    /// A catalog on this connection, which keeps what it has read in these caches.
    ///
    /// # Errors
    ///
    /// When the manager has caches of these names, or keys can never be hot that way.
    pub fn new(orm: DatabaseConnection, caches: CacheManager, hot: HotKeys) -> Result<Self, nebula_cache::Error> {
        Ok(Self(Arc::new(Inner { orm, caches: Caches::new(caches, hot)? })))
    }

    pub(super) fn caches(&self) -> &Caches {
        &self.0.caches
    }

    pub(super) fn orm(&self) -> &DatabaseConnection {
        &self.0.orm
    }

    /// A session; a change of it is seen here at once, and within [`BOUND`](super::BOUND) if another process made it.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`](crate::problem::Code::NotFound) when there is none; otherwise the database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn session(&self, id: SessionId) -> Result<Arc<SessionInfo>> {
        let this = self.clone();
        let load = async move { this.load_session(id).await };
        Ok(Arc::clone(&*found(self.caches().sessions.get_or_load(&id, load).await, "session")?))
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
        let facts = self.read_session(id).await?.ok_or_else(|| Problem::not_found("session"))?;
        self.assemble_session(id, &facts).await.map(Arc::new)
    }

    /// Call when a session's prices or times were changed: the next reader in this process sees it, and those in others
    /// within [`BOUND`](super::BOUND).
    ///
    /// # Cancel safety
    ///
    /// Once polled it takes place.
    pub async fn forget_session(&self, id: SessionId) {
        self.caches().forget_session(id).await;
        self.caches().forget_lists().await;
    }

    /// The same for a show, and all of its sessions.
    ///
    /// # Cancel safety
    ///
    /// Once polled it takes place.
    pub async fn forget_show(&self, id: ShowId) {
        self.caches().forget_tag(&show_tag(id)).await;
        self.caches().forget_lists().await;
    }

    /// The same for a venue, and all that happens there.
    ///
    /// # Cancel safety
    ///
    /// Once polled it takes place.
    pub async fn forget_venue(&self, id: VenueId) {
        self.caches().forget_tag(&venue_tag(id)).await;
        self.caches().forget_lists().await;
    }

    /// Call when the database was changed by other means.
    ///
    /// # Cancel safety
    ///
    /// Once polled it takes place.
    pub async fn forget_everything(&self) {
        self.caches().forget_everything().await;
    }

    /// What is read most on this server, the hottest first.
    #[must_use]
    pub fn hot(&self) -> Vec<HotKey> {
        self.caches().hot()
    }

    /// Whether the sessions on sale are being loaded beforehand.
    #[must_use]
    pub fn is_warming(&self) -> bool {
        self.caches().is_warming()
    }

    /// Loads the sessions of shows that are listed, before the first buyer asks for them. Requests are better sent elsewhere
    /// until that is done, or takes longer than `patience`.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn warm_up(&self, patience: Duration) -> Result<()> {
        let _open = Warming::begin(self);
        let shows = self.shows().await?;
        let sessions: Vec<_> = shows.iter().flat_map(|show| &show.sessions).map(|session| session.id).collect();
        let (this, total) = (self.clone(), u64::try_from(sessions.len()).unwrap_or(u64::MAX));
        let keys = move || futures_util::stream::iter(sessions.clone().into_iter().map(Ok::<_, Problem>));
        let load = move |keys: Vec<SessionId>| {
            let this = this.clone();
            async move {
                let mut loaded = HashMap::new();
                for key in keys {
                    loaded.insert(key, this.load_session(key).await?);
                }
                Ok::<_, Problem>(loaded)
            }
        };
        // The shared level fills on the way: each process makes its own of what is there.
        let warm_up = self.caches().sessions.warm_up(keys, load).on_every_node().with_total(total).with_batch(8);
        if warm_up.start().map_err(failed)?.ready(patience).await == Readiness::Cold {
            tracing::warn!(?patience, "the sessions on sale were not loaded in time; they are when somebody asks");
        }
        Ok(())
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
        let this = self.clone();
        let load = async move { this.load_plan(id).await };
        Ok(Arc::clone(&*found(self.caches().plans.get_or_load(&id, load).await, "plan")?))
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

    /// From what processes share, or else from the database.
    async fn load_session(&self, key: SessionId) -> Result<Loaded<Arc<SessionInfo>>> {
        let this = self.clone();
        let read = async move {
            let facts = this.read_session(key).await?;
            Ok::<_, Problem>(match facts {
                Some(facts) => facts.marked(),
                None => Loaded::absent(),
            })
        };
        let Some(facts) = self.caches().facts.get_or_load(&key, read).await.map_err(failed)? else {
            return Ok(Loaded::absent());
        };
        let info = Arc::new(self.assemble_session(key, &facts).await?);
        let loaded = Loaded::value(info);
        Ok(loaded.with_tag(show_tag(facts.show_id)).with_tag(venue_tag(facts.venue_id)))
    }

    async fn read_session(&self, key: SessionId) -> Result<Option<Facts>> {
        let orm = self.orm();
        let Some(row) = session::Entity::find_by_id(key.to_string()).one(orm).await? else { return Ok(None) };
        let (show, plan) =
            tokio::try_join!(show::Entity::find_by_id(&row.show_id).one(orm), plan_venue(orm, &row.plan_id))?;
        let show = show.ok_or_else(|| Problem::internal(format!("session {key} has no show")))?;
        let venue = plan.ok_or_else(|| Problem::internal(format!("session {key} has no venue")))?;
        let prices =
            session_price::Entity::find().filter(session_price::Column::SessionId.eq(&row.id)).all(orm).await?;
        Ok(Some(Facts {
            merchant: row.tenant_id,
            published: row.published != 0 && show.published != 0,
            show_id: id(&row.show_id)?,
            venue_id: id(&venue.id)?,
            plan_id: id(&row.plan_id)?,
            title: show.title,
            title_zh: show.title_zh,
            poster: show.poster.map(|name| (name, show.poster_alt, show.poster_alt_zh)),
            venue: venue.name,
            city: venue.city,
            hidden: show.hidden != 0,
            starts_at: row.starts_at,
            sale_opens_at: row.sale_opens_at,
            sale_closes_at: row.sale_closes_at,
            hold_ms: u64::try_from(row.hold_ms).unwrap_or(0),
            seats_per_user: u32::try_from(row.seats_per_user).unwrap_or(0),
            prices: prices.into_iter().map(|row| (row.category, row.minor, row.currency)).collect(),
        }))
    }

    async fn assemble_session(&self, key: SessionId, facts: &Facts) -> Result<SessionInfo> {
        let price =
            |(category, minor, currency): &(String, i64, String)| Ok((category.clone(), money(*minor, currency)?));
        Ok(SessionInfo {
            id: key,
            merchant: tenant(&facts.merchant)?,
            published: facts.published,
            show_id: facts.show_id,
            title: facts.title.clone(),
            title_zh: facts.title_zh.clone(),
            poster: facts.poster(),
            venue: facts.venue.clone(),
            city: facts.city.clone(),
            hidden: facts.hidden,
            starts_at: Millis(facts.starts_at),
            sale_opens_at: Millis(facts.sale_opens_at),
            sale_closes_at: Millis(facts.sale_closes_at),
            hold: Duration::from_millis(facts.hold_ms),
            seats_per_user: facts.seats_per_user,
            plan: self.plan(facts.plan_id).await?,
            prices: facts.prices.iter().map(price).collect::<Result<_>>()?,
        })
    }

    async fn load_plan(&self, key: PlanId) -> Result<Option<Arc<Plan>>> {
        let orm = self.orm();
        let Some(row) = plan::Entity::find_by_id(key.to_string()).one(orm).await? else { return Ok(None) };
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
            .map(|plan| Some(Arc::new(plan)))
    }
}

impl Facts {
    fn poster(&self) -> Option<Poster> {
        let (name, alt, alt_zh) = self.poster.as_ref()?;
        Some(Poster::read(Some(name), alt, alt_zh)?.or_named(&self.title, &self.title_zh))
    }

    /// With the marks of what it is part of.
    fn marked(self) -> Loaded<Self> {
        let (show, venue) = (show_tag(self.show_id), venue_tag(self.venue_id));
        Loaded::value(self).with_tag(show).with_tag(venue)
    }
}

/// As long as it lives, this process says that it is not ready.
struct Warming<'c>(&'c Caches);

impl<'c> Warming<'c> {
    fn begin(catalog: &'c Catalog) -> Self {
        let caches = catalog.caches();
        caches.warming.store(true, Ordering::Relaxed);
        Self(caches)
    }
}

impl Drop for Warming<'_> {
    fn drop(&mut self) {
        self.0.warming.store(false, Ordering::Relaxed);
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
            standing: seat.standing != 0,
        });
    }
    let categories: Vec<_> = categories.into_iter().map(|row| Category { name: row.name, color: row.color }).collect();
    let areas = serde_json::from_str(&row.areas).map_err(Problem::internal)?;
    let names_zh = serde_json::from_str(&row.names_zh).map_err(Problem::internal)?;
    let rows = Rows::new(&seats, &areas);
    let layout = serde_json::to_vec(&SeatMap {
        plan_id: key,
        name: &row.name,
        width: row.width,
        height: row.height,
        categories: &categories,
        areas,
        seats: seated(&seats),
        names_zh: &names_zh,
        standing: rows.standing().iter().map(StandingArea::from).collect(),
    })
    .map_err(Problem::internal)?;
    let plan = Plan::new(key, row.name.clone(), row.digest.clone(), categories, seats, rows, Bytes::from(layout));
    Ok(plan.with_names_zh(names_zh))
}

pub(super) fn tenant(text: &str) -> Result<TenantId> {
    text.parse().map_err(|_| Problem::internal(format!("`{text}` names no merchant")))
}

pub(super) fn id<T: std::str::FromStr<Err = uuid::Error>>(text: &str) -> Result<T> {
    text.parse().map_err(|error| Problem::internal(format!("`{text}` is not an identifier: {error}")))
}
