//! What may be asked for, and which shows that gets in which order. Pure.

use std::{
    cmp::{Ordering, Reverse},
    collections::BTreeMap,
};

use aws_lc_rs::digest;
use nebula_tenant::TenantId;
use serde::{Deserialize, Serialize};

use super::words::Words;
use crate::{
    clock::Millis,
    money::Currency,
    show::{Genre, Session, Show},
};

/// Which text of a show it is: what counts more comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The title.
    Title,
    /// Who performs.
    Artist,
    /// Venues and their cities.
    Place,
    /// What kind of show it is.
    Genre,
    /// The description.
    Description,
}

impl Field {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Title, Self::Artist, Self::Place, Self::Genre, Self::Description];

    /// How much a word in it counts.
    #[must_use]
    pub fn weight(self) -> f32 {
        match self {
            Self::Title => 5.0,
            Self::Artist => 4.0,
            Self::Place => 2.0,
            Self::Genre => 1.5,
            Self::Description => 1.0,
        }
    }
}

/// A show that can be found.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The show with its performances to come.
    pub show: Show,
    /// How many of the seats of these are sold.
    pub heat: u64,
}

impl Entry {
    /// What it can be found by.
    #[must_use]
    pub fn texts(&self, field: Field) -> Vec<&str> {
        let show = &self.show;
        let mut texts = match field {
            Field::Title => vec![show.title.as_str(), &show.title_zh],
            Field::Artist => vec![show.artist.as_str(), &show.artist_zh],
            Field::Place => {
                let venues = show.sessions.iter().map(|session| &session.venue);
                venues.flat_map(|venue| [venue.name.as_str(), &venue.city]).collect()
            }
            Field::Genre => show.genre.names().to_vec(),
            Field::Description => vec![show.description.as_str(), &show.description_zh],
        };
        texts.retain(|text| !text.is_empty());
        texts.sort_unstable();
        texts.dedup();
        texts
    }

    /// Changes when its texts do, and is the same wherever it is computed: servers of several versions share an index.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut hasher = digest::Context::new(&digest::SHA256);
        for texts in Field::ALL.map(|field| self.texts(field)) {
            for text in texts {
                hasher.update(&text.len().to_le_bytes());
                hasher.update(text.as_bytes());
            }
            // As long as no text.
            hasher.update(&usize::MAX.to_le_bytes());
        }
        let digest = hasher.finish();
        digest.as_ref().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// How well it answers, by looking at its texts; nothing if it lacks a word.
    #[must_use]
    pub fn looked_through(&self, words: &Words) -> Option<f32> {
        let mut score = 0.0;
        for word in words.iter() {
            let word = Words::of(&word.text);
            let has = |field: &Field| self.texts(*field).into_iter().any(|text| word.all_in(text));
            score += Field::ALL.iter().find(|field| has(field))?.weight();
        }
        Some(score)
    }
}

/// The order of what is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    /// The best answer first.
    #[default]
    Relevance,
    /// The next performance first.
    Date,
    /// The cheapest first.
    Price,
    /// What sells most first.
    Heat,
}

/// What a show has to be like. Whatever is said of a performance is said of the same one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// In this city.
    pub city: Option<String>,
    /// Of this kind.
    pub genre: Option<Genre>,
    /// Not before.
    pub from: Option<Millis>,
    /// Before.
    pub to: Option<Millis>,
    /// At least so much, in minor units.
    pub price_min: Option<i64>,
    /// At most so much, in minor units.
    pub price_max: Option<i64>,
    /// Of prices in this currency.
    pub currency: Option<Currency>,
    /// Seats of it are being sold.
    pub on_sale: bool,
}

impl Filters {
    fn session(&self, session: &Session, now: Millis) -> bool {
        let on_sale = || session.sale_opens_at <= now && now < session.sale_closes_at;
        session.starts_at > now
            && self.city.as_ref().is_none_or(|city| *city == session.venue.city)
            && self.from.is_none_or(|from| session.starts_at >= from)
            && self.to.is_none_or(|to| session.starts_at < to)
            && self.price(session)
            && (!self.on_sale || on_sale())
    }

    fn price(&self, session: &Session) -> bool {
        if self.price_min.is_none() && self.price_max.is_none() && self.currency.is_none() {
            return true;
        }
        session.prices.iter().map(|price| price.price).any(|price| {
            self.currency.is_none_or(|currency| price.currency == currency)
                && self.price_min.is_none_or(|least| price.minor >= least)
                && self.price_max.is_none_or(|most| price.minor <= most)
        })
    }

    /// The performances that are like that.
    fn fitting<'a>(&self, show: &'a Show, now: Millis) -> Vec<&'a Session> {
        if self.genre.is_some_and(|genre| genre != show.genre) {
            return Vec::new();
        }
        show.sessions.iter().filter(|session| self.session(session, now)).collect()
    }
}

/// How many shows a filter would leave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Count<T> {
    /// What the filter asks for.
    pub value: T,
    /// So many shows.
    pub shows: usize,
}

/// What can be filtered by, among what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Facets {
    /// Cities, whichever city is asked for.
    pub cities: Vec<Count<String>>,
    /// Kinds of shows, whichever kind is asked for.
    pub genres: Vec<Count<Genre>>,
}

/// A part of what was found.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The shows of this part.
    pub shows: Vec<Show>,
    /// How many there are in all.
    pub total: usize,
    /// What can be filtered by.
    pub facets: Facets,
}

/// A part of the order.
#[derive(Clone, Copy, Debug)]
pub struct Slice {
    /// So many are left out first.
    pub offset: usize,
    /// At most so many.
    pub limit: usize,
}

/// Filters, sorts and cuts what texts have found. `open` says whose shows may be seen.
#[must_use]
pub fn arrange<'a>(
    found: impl IntoIterator<Item = (&'a Entry, f32)>,
    open: impl Fn(&TenantId) -> bool,
    filters: &Filters,
    sort: Sort,
    slice: Slice,
    now: Millis,
) -> Page {
    let found: Vec<_> = found.into_iter().filter(|(entry, _)| open(&entry.show.merchant)).collect();
    let mut fitting = Vec::new();
    for (entry, score) in &found {
        let sessions = filters.fitting(&entry.show, now);
        if let Some(first) = sessions.iter().map(|session| session.starts_at).min() {
            let prices = sessions.iter().flat_map(|session| &session.prices).map(|price| price.price.minor);
            fitting.push(Ranked { entry, score: *score, first, price: prices.min() });
        }
    }
    fitting.sort_by(|one, other| one.compare(other, sort));
    let shown = fitting.iter().skip(slice.offset).take(slice.limit);
    Page {
        shows: shown.map(|ranked| ranked.entry.show.clone()).map(Show::now).collect(),
        total: fitting.len(),
        facets: facets(&found, filters, now),
    }
}

struct Ranked<'a> {
    entry: &'a Entry,
    score: f32,
    first: Millis,
    price: Option<i64>,
}

impl Ranked<'_> {
    fn compare(&self, other: &Self, sort: Sort) -> Ordering {
        let by_score = || other.score.total_cmp(&self.score);
        let sorted = match sort {
            Sort::Relevance => by_score(),
            Sort::Date => self.first.cmp(&other.first),
            // What has no price comes last.
            Sort::Price => (self.price.is_none(), self.price).cmp(&(other.price.is_none(), other.price)),
            Sort::Heat => Reverse(self.entry.heat).cmp(&Reverse(other.entry.heat)),
        };
        let rest = || (self.first, self.entry.show.id.0).cmp(&(other.first, other.entry.show.id.0));
        sorted.then_with(by_score).then_with(rest)
    }
}

fn facets(found: &[(&Entry, f32)], filters: &Filters, now: Millis) -> Facets {
    let everywhere = Filters { city: None, ..filters.clone() };
    let every_kind = Filters { genre: None, ..filters.clone() };
    let (mut cities, mut genres) = (BTreeMap::<&str, usize>::new(), BTreeMap::<Genre, usize>::new());
    for (entry, _) in found {
        let sessions = everywhere.fitting(&entry.show, now);
        let mut here: Vec<_> = sessions.iter().map(|session| session.venue.city.as_str()).collect();
        here.sort_unstable();
        here.dedup();
        here.into_iter().filter(|city| !city.is_empty()).for_each(|city| *cities.entry(city).or_default() += 1);
        if !every_kind.fitting(&entry.show, now).is_empty() {
            *genres.entry(entry.show.genre).or_default() += 1;
        }
    }
    Facets {
        cities: cities.into_iter().map(|(city, shows)| Count { value: city.to_owned(), shows }).collect(),
        genres: genres.into_iter().map(|(value, shows)| Count { value, shows }).collect(),
    }
}
