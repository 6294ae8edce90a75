//! Follows the catalog, and answers.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use nebula_tenant::TenantId;
use parking_lot::{Mutex, RwLock};
use tokio_util::sync::CancellationToken;

use super::{
    domain::{Entry, Filters, Page, Slice, Sort, arrange},
    engine::{EngineError, SearchEngine},
    storage,
    suggestions::{Suggestion, suggestions},
    words::Words,
};
use crate::{
    clock::Millis,
    ids::ShowId,
    merchant::Merchants,
    problem::{Result, chain},
    show::Catalog,
    storage::Database,
};

/// What it may cost: after each reading of the catalog it is left alone for so many times as long as that took.
const SHARE: u32 = 4;
/// An engine that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often it is asked whether the catalog has changed.
const WATCH: Duration = Duration::from_millis(400);

/// Finds shows. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Search(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: Arc<dyn SearchEngine>,
    database: Database,
    catalog: Catalog,
    merchants: Merchants,
    /// What the database had when it was last read; nothing before the first time.
    known: RwLock<Option<Arc<Known>>>,
    /// The catalog's marker when the engine was last told of it, and when it was last found unchanged.
    told: Mutex<Option<(String, Instant)>>,
}

#[derive(Debug)]
struct Known {
    entries: Arc<[Entry]>,
    by_show: HashMap<ShowId, usize>,
    merchants: BTreeSet<TenantId>,
}

impl Known {
    fn of(entries: Arc<[Entry]>) -> Self {
        let by_show = entries.iter().enumerate().map(|(place, entry)| (entry.show.id, place)).collect();
        let merchants = entries.iter().map(|entry| entry.show.merchant.clone()).collect();
        Self { entries, by_show, merchants }
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Found {
    /// The part that was asked for.
    pub page: Page,
    /// Whether the engine had failed, so that the shows were only looked through: no slips are forgiven.
    pub degraded: bool,
}

/// What differs between the engine and the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Shows that the engine does not have.
    pub missing: u64,
    /// Shows that it has with other texts.
    pub outdated: u64,
    /// Shows that it should not have.
    pub superfluous: u64,
}

impl Differences {
    fn any(self) -> bool {
        self != Self::default()
    }
}

impl Search {
    /// Searches what this catalog has.
    #[must_use]
    pub fn new(engine: Arc<dyn SearchEngine>, database: Database, catalog: Catalog, merchants: Merchants) -> Self {
        Self(Arc::new(Inner { engine, database, catalog, merchants, known: RwLock::default(), told: Mutex::default() }))
    }

    /// Who matches texts.
    #[must_use]
    pub fn engine(&self) -> &Arc<dyn SearchEngine> {
        &self.0.engine
    }

    /// Reads the catalog and tells the engine what is different. Answers what was.
    ///
    /// # Errors
    ///
    /// The database or the engine failed; whatever could be found before still can.
    ///
    /// # Cancel safety
    ///
    /// Call it again.
    pub async fn refresh(&self) -> Result<Differences> {
        let inner = &self.0;
        let entries = storage::entries(&inner.database, &inner.catalog).await?;
        *inner.known.write() = Some(Arc::new(Known::of(Arc::clone(&entries))));
        let held = inner.engine.held().await.map_err(crate::problem::Problem::unavailable)?;
        let differences = compare(&entries, &held);
        if differences.any() {
            inner.engine.replace(entries).await.map_err(crate::problem::Problem::unavailable)?;
        }
        Ok(differences)
    }

    /// The same, where nothing should differ: what does although the catalog has not changed was lost, and is counted.
    ///
    /// # Errors
    ///
    /// As [`refresh`](Self::refresh).
    ///
    /// # Cancel safety
    ///
    /// Call it again.
    pub async fn mend(&self) -> Result<Differences> {
        let marker = storage::marker(&self.0.database).await?;
        let unchanged = self.is_told(&marker);
        let differences = self.refresh().await?;
        self.tell(marker);
        if unchanged && differences.any() {
            tracing::warn!(?differences, "the search index differed from the database and was made anew");
            count(differences);
        }
        Ok(differences)
    }

    /// Follows the catalog if it has changed; answers how long that took.
    async fn keep_up(&self) -> Result<Duration> {
        let begun = Instant::now();
        let marker = storage::marker(&self.0.database).await?;
        if self.is_told(&marker) {
            return Ok(Duration::ZERO);
        }
        self.refresh().await?;
        // What changed meanwhile is another marker, and seen at the next turn.
        self.tell(marker);
        Ok(begun.elapsed())
    }

    /// Whether the engine knows the catalog as it is.
    fn is_told(&self, marker: &str) -> bool {
        let mut told = self.0.told.lock();
        let known = told.as_mut().filter(|(known, _)| known == marker);
        if let Some((_, seen)) = known {
            *seen = Instant::now();
            return true;
        }
        false
    }

    /// The engine knows it now. What changed did so after the catalog was last found unchanged.
    fn tell(&self, marker: String) {
        let now = Instant::now();
        let mut told = self.0.told.lock();
        if let Some((known, seen)) = &*told
            && *known != marker
        {
            metrics::histogram!("ticketing_catalog_to_search_seconds").record(now.duration_since(*seen));
        }
        *told = Some((marker, now));
    }

    /// The shows that have the words and are like that; all of one merchant's, or of everybody who is served.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn find(
        &self,
        shop: Option<&TenantId>,
        question: &str,
        filters: &Filters,
        sort: Sort,
        slice: Slice,
    ) -> Result<Found> {
        let (known, words) = (self.known().await?, Words::of(question));
        let open = self.open(&known, shop).await?;
        let open = |merchant: &TenantId| open.contains(merchant);
        // A question without a word that can be looked for finds nothing, no question finds all.
        if words.is_empty() && !question.trim().is_empty() {
            return Ok(Found { page: Page::default(), degraded: false });
        }
        let (found, degraded) = self.matching(&known, &words).await;
        Ok(Found { page: arrange(found, open, filters, sort, slice, Millis::now()), degraded })
    }

    /// What somebody who types this may mean, of the same shows.
    ///
    /// # Errors
    ///
    /// The database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn suggest(&self, shop: Option<&TenantId>, question: &str, limit: usize) -> Result<Vec<Suggestion>> {
        let (known, words) = (self.known().await?, Words::of(question));
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let open = self.open(&known, shop).await?;
        let (mut found, _) = self.matching(&known, &words).await;
        let now = Millis::now();
        let to_come = |entry: &Entry| entry.show.sessions.iter().any(|session| session.starts_at > now);
        found.retain(|(entry, _)| open.contains(&entry.show.merchant) && to_come(entry));
        found.sort_by(|(one, score), (other, others)| others.total_cmp(score).then(other.heat.cmp(&one.heat)));
        Ok(suggestions(found.into_iter().map(|(entry, _)| entry), &words, limit))
    }

    /// Shows with how well they answer; and whether the engine has failed.
    async fn matching<'a>(&self, known: &'a Known, words: &Words) -> (Vec<(&'a Entry, f32)>, bool) {
        if words.is_empty() {
            return (known.entries.iter().map(|entry| (entry, 0.0)).collect(), false);
        }
        let hits = match tokio::time::timeout(PATIENCE, self.0.engine.find(words)).await {
            Ok(hits) => hits,
            Err(_) => Err(EngineError::new(format!("no answer within {PATIENCE:?}"))),
        };
        match hits {
            Ok(hits) => {
                let entry = |hit: &super::Hit| Some((known.entries.get(*known.by_show.get(&hit.show)?)?, hit.score));
                (hits.iter().filter_map(entry).collect(), false)
            }
            Err(error) => {
                tracing::warn!(error = chain(&error), "shows are looked through instead of searched");
                metrics::counter!("ticketing_search_degraded_total").increment(1);
                let through = |entry: &'a Entry| Some((entry, entry.looked_through(words)?));
                (known.entries.iter().filter_map(through).collect(), true)
            }
        }
    }

    /// What the database had a moment ago.
    async fn known(&self) -> Result<Arc<Known>> {
        if let Some(known) = &*self.0.known.read() {
            return Ok(Arc::clone(known));
        }
        // The first question may come before the first reading.
        let entries = storage::entries(&self.0.database, &self.0.catalog).await?;
        Ok(Arc::new(Known::of(entries)))
    }

    /// The merchants whose shows may be seen: what is not served is not found.
    async fn open(&self, known: &Known, shop: Option<&TenantId>) -> Result<BTreeSet<TenantId>> {
        let mut open = BTreeSet::new();
        for merchant in known.merchants.iter().filter(|merchant| shop.is_none_or(|shop| shop == *merchant)) {
            if self.0.merchants.is_active(merchant).await? {
                open.insert(merchant.clone());
            }
        }
        Ok(open)
    }
}

fn compare(entries: &[Entry], held: &HashMap<ShowId, u64>) -> Differences {
    let mut differences = Differences::default();
    for entry in entries {
        match held.get(&entry.show.id) {
            None => differences.missing += 1,
            Some(digest) if *digest != entry.digest() => differences.outdated += 1,
            Some(_) => {}
        }
    }
    let known = u64::try_from(entries.len()).unwrap_or(u64::MAX) - differences.missing;
    differences.superfluous = u64::try_from(held.len()).unwrap_or(u64::MAX).saturating_sub(known);
    differences
}

/// Keeps what can be found as the catalog is, until `stopping`.
pub async fn follow(search: Search, stopping: CancellationToken) {
    let mut pause = Duration::ZERO;
    while stopping.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        pause = match search.keep_up().await {
            Ok(took) => WATCH.max(took * SHARE),
            // Tried again at the next turn.
            Err(problem) => {
                tracing::warn!(error = chain(&problem), "the search does not follow the catalog");
                WATCH
            }
        };
    }
}

fn count(differences: Differences) {
    for (kind, number) in
        [("missing", differences.missing), ("outdated", differences.outdated), ("superfluous", differences.superfluous)]
    {
        metrics::counter!("ticketing_search_differences_total", "kind" => kind).increment(number);
    }
}
