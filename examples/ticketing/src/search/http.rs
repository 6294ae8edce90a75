//! Search over HTTP.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    domain::{Facets, Filters, Slice, Sort},
    suggestions::Suggestion,
};
use crate::{
    app::App,
    clock::Millis,
    http::{Json, Query},
    merchant::Storefront,
    money::{Currency, parse_minor},
    problem::{Problem, Result},
    show::{Genre, Show},
};

/// Longer questions are no questions.
const QUESTION: usize = 100;

/// The routes of this module.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(search))
        .routes(routes!(suggest))
        .routes(routes!(search_of))
        .routes(routes!(suggest_of))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Words of titles, artists, venues, cities, kinds or descriptions, in English or Chinese. Nothing finds everything.
    #[param(max_length = 100)]
    #[serde(default)]
    q: String,
    /// Performed in this city, as `facets` names it.
    city: Option<String>,
    /// Of this kind.
    #[param(inline)]
    genre: Option<Genre>,
    /// Performed at this instant or later.
    from: Option<Millis>,
    /// Performed before this instant.
    to: Option<Millis>,
    /// With seats for at least so much, such as `80` or `80.50`.
    price_min: Option<String>,
    /// With seats for at most so much.
    price_max: Option<String>,
    /// The currency of these prices; `CNY` where there is one without it.
    #[param(inline)]
    currency: Option<Currency>,
    /// Only what is being sold now.
    #[serde(default)]
    on_sale: bool,
    /// `relevance`, `date`, `price` or `heat`; `relevance` by default, `date` without words.
    #[param(inline)]
    sort: Option<Sort>,
    /// 1 to 50; 20 by default.
    #[param(minimum = 1, maximum = 50)]
    limit: Option<usize>,
    /// So many are left out first, at most 1,000.
    #[param(minimum = 0, maximum = 1000)]
    offset: Option<usize>,
}

/// What was found.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Results {
    shows: Vec<Show>,
    /// How many there are in all.
    total: usize,
    facets: Facets,
    /// The index could not be asked: the shows were only looked through, without forgiving slips.
    degraded: bool,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Typed {
    /// What was typed so far.
    #[param(max_length = 100)]
    q: String,
    /// 1 to 10; 8 by default.
    #[param(minimum = 1, maximum = 10)]
    limit: Option<usize>,
}

/// Titles, artists and places.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Suggestions {
    suggestions: Vec<Suggestion>,
}

fn question(q: &str) -> Result<&str> {
    if q.chars().count() > QUESTION {
        return Err(Problem::invalid("q", format!("At most {QUESTION} characters.")));
    }
    Ok(q)
}

fn within(field: &str, value: Option<usize>, default: usize, least: usize, most: usize) -> Result<usize> {
    let value = value.unwrap_or(default);
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(Problem::invalid(field, format!("{least} to {most}.")))
}

fn amount(field: &str, text: Option<&String>) -> Result<Option<i64>> {
    let read =
        |text: &String| parse_minor(text).ok_or_else(|| Problem::invalid(field, "An amount such as 80 or 80.50."));
    text.map(read).transpose()
}

impl Asked {
    fn filters(&self) -> Result<Filters> {
        let (price_min, price_max) =
            (amount("price_min", self.price_min.as_ref())?, amount("price_max", self.price_max.as_ref())?);
        if price_min.zip(price_max).is_some_and(|(least, most)| least > most) {
            return Err(Problem::invalid("price_max", "Not less than `price_min`."));
        }
        if self.from.zip(self.to).is_some_and(|(from, to)| from >= to) {
            return Err(Problem::invalid("to", "Later than `from`."));
        }
        let priced = price_min.is_some() || price_max.is_some();
        Ok(Filters {
            city: self.city.clone(),
            genre: self.genre,
            from: self.from,
            to: self.to,
            price_min,
            price_max,
            currency: self.currency.or_else(|| priced.then_some(Currency::CNY)),
            on_sale: self.on_sale,
        })
    }
}

/// Find shows. On a merchant's own domain, that merchant's.
#[utoipa::path(get, path = "/search", tag = "catalog", params(Asked), responses(
    (status = OK, body = Results),
    (status = NOT_FOUND, description = "`not-found`"),
    (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
))]
async fn search(State(app): State<App>, storefront: Storefront, Query(asked): Query<Asked>) -> Result<Json<Results>> {
    let (q, filters) = (question(&asked.q)?, asked.filters()?);
    let slice =
        Slice { offset: within("offset", asked.offset, 0, 0, 1_000)?, limit: within("limit", asked.limit, 20, 1, 50)? };
    let sort = asked.sort.unwrap_or(if q.trim().is_empty() { Sort::Date } else { Sort::Relevance });
    let found = app.search.find(storefront.0.as_ref(), q, &filters, sort, slice).await?;
    let page = found.page;
    Ok(Json(Results { shows: page.shows, total: page.total, facets: page.facets, degraded: found.degraded }))
}

/// What somebody who types may mean.
#[utoipa::path(get, path = "/search/suggestions", tag = "catalog", params(Typed), responses(
    (status = OK, body = Suggestions),
    (status = NOT_FOUND, description = "`not-found`"),
    (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
))]
async fn suggest(
    State(app): State<App>,
    storefront: Storefront,
    Query(typed): Query<Typed>,
) -> Result<Json<Suggestions>> {
    let limit = within("limit", typed.limit, 8, 1, 10)?;
    let suggestions = app.search.suggest(storefront.0.as_ref(), question(&typed.q)?, limit).await?;
    Ok(Json(Suggestions { suggestions }))
}

/// Find shows of one merchant, on the platform's address.
#[utoipa::path(
    get, path = "/m/{merchant}/search", tag = "catalog", params(("merchant" = String, Path), Asked), responses(
    (status = OK, body = Results),
    (status = NOT_FOUND, description = "`not-found`"),
    (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
))]
async fn search_of(app: State<App>, storefront: Storefront, asked: Query<Asked>) -> Result<Json<Results>> {
    search(app, storefront, asked).await
}

/// What somebody who types in one merchant's shop may mean.
#[utoipa::path(
    get, path = "/m/{merchant}/search/suggestions", tag = "catalog", params(("merchant" = String, Path), Typed), responses(
    (status = OK, body = Suggestions),
    (status = NOT_FOUND, description = "`not-found`"),
    (status = UNPROCESSABLE_ENTITY, description = "`invalid-value`"),
))]
async fn suggest_of(app: State<App>, storefront: Storefront, typed: Query<Typed>) -> Result<Json<Suggestions>> {
    suggest(app, storefront, typed).await
}
