//! The shows as buyers see them: a few queries for all of them, without their seating plans.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use nebula_cache::Loaded;
use nebula_tenant::TenantId;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;

use super::{
    Catalog, Genre,
    caches::{found, lists_tag},
    catalog::{SessionInfo, id, money, tenant},
    entity::{plan, plan_category, session, session_price, show, venue},
};
use crate::{
    clock::Millis,
    ids::{SessionId, ShowId},
    money::Money,
    picture::Poster,
    problem::{Problem, Result},
};

/// Most shows in the list.
const SHOWS: u64 = 200;
/// Most sessions looked at for the list.
const SESSIONS: u64 = 2_000;

/// Where a show is performed.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Venue {
    /// The building.
    pub name: String,
    /// Its city.
    pub city: String,
    /// Street and number. This and its place on a map only where a show is asked for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub address: String,
    /// Degrees north.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latitude: Option<f64>,
    /// Degrees east.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longitude: Option<f64>,
}

/// What a category of seats costs now.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Price {
    /// The category.
    pub category: String,
    /// The same in Chinese, where it has a name of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category_zh: Option<String>,
    /// CSS colour of its seats on the map.
    pub color: String,
    /// The price of a seat.
    pub price: Money,
}

/// A performance of a show.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Session {
    /// Identifier.
    pub id: SessionId,
    /// The show.
    pub show_id: ShowId,
    /// The show's title.
    pub title: String,
    /// The show's title in Chinese.
    pub title_zh: String,
    /// Where.
    pub venue: Venue,
    /// When the performance begins.
    pub starts_at: Millis,
    /// From then on seats are sold.
    pub sale_opens_at: Millis,
    /// From then on no more.
    pub sale_closes_at: Millis,
    /// The server's present, for countdowns that do not trust the client's clock.
    pub server_time: Millis,
    /// How long an unpaid order keeps its seats.
    pub hold_seconds: u64,
    /// Most seats one buyer may have.
    pub seats_per_user: u32,
    /// Prices, the highest first.
    pub prices: Vec<Price>,
}

/// A show with its sessions to come.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Show {
    /// Identifier.
    pub id: ShowId,
    /// Who sells it: the merchant's short name.
    #[schema(value_type = String)]
    pub merchant: TenantId,
    /// Title.
    pub title: String,
    /// Title in Chinese.
    pub title_zh: String,
    /// A few sentences.
    pub description: String,
    /// The same in Chinese.
    pub description_zh: String,
    /// Who performs.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub artist: String,
    /// The same in Chinese.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub artist_zh: String,
    /// What kind of show it is.
    pub genre: Genre,
    /// Its picture, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poster: Option<Poster>,
    /// Where the first session takes place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub venue: Option<Venue>,
    /// The lowest price.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_price: Option<Money>,
    /// Sessions that have not begun, the next one first.
    pub sessions: Vec<Session>,
}

impl Show {
    /// The same with the present in it.
    #[must_use]
    pub fn now(mut self) -> Self {
        let now = Millis::now();
        for session in &mut self.sessions {
            session.server_time = now;
        }
        self
    }
}

impl From<&SessionInfo> for Session {
    fn from(info: &SessionInfo) -> Self {
        Self {
            id: info.id,
            show_id: info.show_id,
            title: info.title.clone(),
            title_zh: info.title_zh.clone(),
            venue: Venue {
                name: info.venue.clone(),
                city: info.city.clone(),
                address: String::new(),
                latitude: None,
                longitude: None,
            },
            starts_at: info.starts_at,
            sale_opens_at: info.sale_opens_at,
            sale_closes_at: info.sale_closes_at,
            server_time: Millis::now(),
            hold_seconds: info.hold.as_secs(),
            seats_per_user: info.seats_per_user,
            prices: prices(
                &info.prices,
                info.plan.categories.iter().map(|category| (category.name.as_str(), category.color.as_str())),
                &info.plan.names_zh,
            ),
        }
    }
}

fn prices<'a>(
    prices: &BTreeMap<String, Money>,
    colors: impl Iterator<Item = (&'a str, &'a str)>,
    names_zh: &BTreeMap<String, String>,
) -> Vec<Price> {
    let mut list: Vec<_> = colors
        .filter_map(|(category, color)| {
            let price = *prices.get(category)?;
            let category_zh = names_zh.get(category).cloned();
            Some(Price { category: category.to_owned(), category_zh, color: color.to_owned(), price })
        })
        .collect();
    list.sort_by_key(|price| std::cmp::Reverse(price.price.minor));
    list
}

impl Catalog {
    /// The published shows that have sessions to come, the next one first.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn shows(&self) -> Result<Vec<Show>> {
        self.shows_of(None).await
    }

    /// The same of one merchant only, if one is named.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn shows_of(&self, merchant: Option<&TenantId>) -> Result<Vec<Show>> {
        let (this, only) = (self.clone(), merchant.cloned());
        // A sale's opening asks for it thousands of times.
        let load = async move {
            let shows = load(this.orm(), &Only::Listed(only.as_ref())).await?;
            Ok::<_, Problem>(Loaded::value(Arc::new(shows)).with_tag(lists_tag()))
        };
        let whose = merchant.map_or_else(String::new, |merchant| merchant.as_str().to_owned());
        let shows = found(self.caches().shows.get_or_load(&whose, load).await, "list of shows")?;
        Ok(shows.iter().cloned().map(Show::now).collect())
    }

    /// Every published show that has sessions to come, however many there are.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn every_listed_show(&self) -> Result<Vec<Show>> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let rows = show::Entity::find()
                .filter(show::Column::Published.eq(1))
                .filter(show::Column::Hidden.eq(0))
                .filter(show::Column::Id.gt(after.as_str()))
                .order_by_asc(show::Column::Id)
                .limit(SHOWS)
                .all(self.orm())
                .await?;
            let Some(last) = rows.last() else { return Ok(all) };
            after.clone_from(&last.id);
            let mut shows = with_sessions(self.orm(), &rows).await?;
            shows.retain(|show| !show.sessions.is_empty());
            all.extend(shows);
        }
    }

    /// These shows with their sessions to come, those of them that are published.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn shows_by_id(&self, ids: &[ShowId]) -> Result<HashMap<ShowId, Show>> {
        let rows = show::Entity::find()
            .filter(show::Column::Id.is_in(ids.iter().map(ToString::to_string)))
            .filter(show::Column::Published.eq(1))
            .filter(show::Column::Hidden.eq(0))
            .all(self.orm())
            .await?;
        let shows = with_sessions(self.orm(), &rows).await?;
        Ok(shows.into_iter().map(|show| (show.id, show.now())).collect())
    }

    /// One published show, hidden or not, with its sessions to come.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`](crate::problem::Code::NotFound), or the database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn show(&self, id: ShowId) -> Result<Show> {
        load(self.orm(), &Only::This(id)).await?.pop().map(Show::now).ok_or_else(|| Problem::not_found("show"))
    }
}

/// Which shows are wanted.
enum Only<'a> {
    /// This one.
    This(ShowId),
    /// Those that are listed: a merchant's, or everybody's.
    Listed(Option<&'a TenantId>),
}

async fn load(orm: &DatabaseConnection, only: &Only<'_>) -> Result<Vec<Show>> {
    let shows = show::Entity::find().filter(show::Column::Published.eq(1));
    let shows = match only {
        Only::This(id) => shows.filter(show::Column::Id.eq(id.to_string())).all(orm).await?,
        Only::Listed(merchant) => {
            let listed = shows.filter(show::Column::Hidden.eq(0));
            let listed = match merchant {
                Some(merchant) => listed.filter(show::Column::TenantId.eq(merchant.as_str())),
                None => listed,
            };
            listed.order_by_desc(show::Column::CreatedAt).limit(SHOWS).all(orm).await?
        }
    };
    let mut list = with_sessions(orm, &shows).await?;
    if matches!(only, Only::Listed(_)) {
        list.retain(|show| !show.sessions.is_empty());
    }
    list.sort_by_key(|show| show.sessions.first().map(|session| session.starts_at));
    Ok(list)
}

/// These shows with their sessions to come.
async fn with_sessions(orm: &DatabaseConnection, shows: &[show::Model]) -> Result<Vec<Show>> {
    let sessions = session::Entity::find()
        .filter(session::Column::ShowId.is_in(shows.iter().map(|show| show.id.as_str())))
        .filter(session::Column::Published.eq(1))
        .filter(session::Column::StartsAt.gt(Millis::now().0))
        .order_by_asc(session::Column::StartsAt)
        .limit(SESSIONS)
        .all(orm)
        .await?;
    let details = Details::load(orm, &sessions).await?;
    let mut by_show: HashMap<&str, Vec<&session::Model>> = HashMap::new();
    for session in &sessions {
        by_show.entry(&session.show_id).or_default().push(session);
    }
    let mut list = Vec::with_capacity(shows.len());
    for show in shows {
        let rows = by_show.remove(show.id.as_str()).unwrap_or_default();
        let sessions = rows.into_iter().map(|row| details.session(show, row)).collect::<Result<Vec<_>>>()?;
        list.push(Show {
            id: id(&show.id)?,
            merchant: tenant(&show.tenant_id)?,
            title: show.title.clone(),
            title_zh: show.title_zh.clone(),
            description: show.description.clone(),
            description_zh: show.description_zh.clone(),
            artist: show.artist.clone(),
            artist_zh: show.artist_zh.clone(),
            genre: Genre::from_stored(&show.genre),
            poster: Poster::read(show.poster.as_deref(), &show.poster_alt, &show.poster_alt_zh)
                .map(|poster| poster.or_named(&show.title, &show.title_zh)),
            venue: sessions.first().map(|session| session.venue.clone()),
            from_price: sessions
                .iter()
                .filter_map(|session| session.prices.last())
                .map(|price| price.price)
                .min_by_key(|price| price.minor),
            sessions,
        });
    }
    Ok(list)
}

/// What sessions refer to, by its key.
#[derive(Default)]
struct Details {
    venues: HashMap<String, Venue>,
    colors: HashMap<String, Vec<(String, String)>>,
    names_zh: HashMap<String, BTreeMap<String, String>>,
    prices: HashMap<String, BTreeMap<String, Money>>,
}

impl Details {
    async fn load(orm: &DatabaseConnection, sessions: &[session::Model]) -> Result<Self> {
        let plan_ids: std::collections::BTreeSet<_> = sessions.iter().map(|session| session.plan_id.as_str()).collect();
        let plans = plan::Entity::find().filter(plan::Column::Id.is_in(plan_ids.iter().copied())).all(orm).await?;
        let venues = venue::Entity::find()
            .filter(venue::Column::Id.is_in(plans.iter().map(|plan| plan.venue_id.as_str())))
            .all(orm)
            .await?;
        let categories =
            plan_category::Entity::find().filter(plan_category::Column::PlanId.is_in(plan_ids)).all(orm).await?;
        let rows = session_price::Entity::find()
            .filter(session_price::Column::SessionId.is_in(sessions.iter().map(|session| session.id.as_str())))
            .all(orm)
            .await?;
        let mut details = Self::default();
        for plan in plans {
            let names_zh = serde_json::from_str(&plan.names_zh).map_err(Problem::internal)?;
            details.names_zh.insert(plan.id.clone(), names_zh);
            if let Some(venue) = venues.iter().find(|venue| venue.id == plan.venue_id) {
                let venue = Venue {
                    name: venue.name.clone(),
                    city: venue.city.clone(),
                    address: venue.address.clone(),
                    latitude: venue.latitude,
                    longitude: venue.longitude,
                };
                details.venues.insert(plan.id, venue);
            }
        }
        for category in categories {
            details.colors.entry(category.plan_id).or_default().push((category.name, category.color));
        }
        for row in rows {
            let price = money(row.minor, &row.currency)?;
            details.prices.entry(row.session_id).or_default().insert(row.category, price);
        }
        Ok(details)
    }

    fn session(&self, show: &show::Model, row: &session::Model) -> Result<Session> {
        let venue = self.venues.get(&row.plan_id).cloned();
        let colors = self.colors.get(&row.plan_id).into_iter().flatten();
        let names_zh = self.names_zh.get(&row.plan_id).unwrap_or(const { &BTreeMap::new() });
        Ok(Session {
            id: id(&row.id)?,
            show_id: id(&row.show_id)?,
            title: show.title.clone(),
            title_zh: show.title_zh.clone(),
            venue: venue.ok_or_else(|| Problem::internal(format!("session {} has no venue", row.id)))?,
            starts_at: Millis(row.starts_at),
            sale_opens_at: Millis(row.sale_opens_at),
            sale_closes_at: Millis(row.sale_closes_at),
            server_time: Millis::now(),
            hold_seconds: u64::try_from(row.hold_ms / 1_000).unwrap_or(0),
            seats_per_user: u32::try_from(row.seats_per_user).unwrap_or(0),
            prices: self
                .prices
                .get(&row.id)
                .map(|known| prices(known, colors.map(|(name, color)| (name.as_str(), color.as_str())), names_zh))
                .unwrap_or_default(),
        })
    }
}
