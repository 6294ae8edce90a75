//! What holds the platform together at this moment, for those who operate it: locks, caches, limits, breakers, and what is
//! given up. Counts are those of the process that answers, since it started.

mod http;
mod limits;
mod locks;

use serde::Serialize;
use utoipa::ToSchema;

pub use self::http::desk;
use self::{limits::Limit, locks::Locks};
use crate::{
    app::App,
    breaker::Circuit,
    degrade::Class,
    problem::Result,
    show::HotKey,
    telemetry::{Figures, figures},
};

/// The state of the process that answers, and of what it shares with others.
#[derive(Debug, Serialize, ToSchema)]
struct SystemState {
    /// The process: its number on its machine.
    process: u32,
    /// Who holds what; shared by all processes where the ledger is on Redis.
    locks: Locks,
    /// What it keeps in memory.
    caches: Vec<CacheState>,
    /// What is read most there, the hottest first.
    hot: Vec<HotView>,
    /// How often somebody may do something.
    limits: Vec<Limit>,
    /// Parts that are left alone while they fail.
    breakers: Vec<BreakerView>,
    /// Orders that admission refused, by code.
    refusals: Vec<Refused>,
    /// What is given up under load.
    load: LoadState,
}

/// A cache in the memory of the process.
#[derive(Debug, Serialize, ToSchema)]
struct CacheState {
    /// What it keeps.
    name: String,
    /// Values in it.
    entries: u64,
    /// Most values that it keeps, if that is counted in values.
    capacity: Option<u64>,
    /// Reads that found theirs.
    hits: u64,
    /// Reads that did not.
    misses: u64,
}

/// A key that is read far more often than others.
#[derive(Debug, Serialize, ToSchema)]
struct HotView {
    /// Its cache.
    cache: &'static str,
    /// The key: of a session, of a plan, or the name of the merchant whose shows are listed, empty for those of all.
    key: String,
    /// Reads a second on this server, about.
    reads: u32,
    /// The title of the session's show.
    title: Option<String>,
    /// In Chinese.
    title_zh: Option<String>,
}

/// A part behind a breaker.
#[derive(Debug, Serialize, ToSchema)]
struct BreakerView {
    /// The part.
    part: &'static str,
    /// `closed`: it is asked. `open`: it is left alone. `half-open`: one call finds out.
    state: &'static str,
    /// How often it was left alone.
    opened: u64,
    /// Calls that were refused instead of waiting for it.
    refused: u64,
}

/// Requests that were refused.
#[derive(Debug, Serialize, ToSchema)]
struct Refused {
    /// Why: a code of problems, or a class of requests.
    name: String,
    /// How many.
    count: u64,
}

/// What is given up under load; `/admin/load` says more, and changes it.
#[derive(Debug, Serialize, ToSchema)]
struct LoadState {
    /// So many classes are refused.
    level: u8,
    /// How often each was.
    refusals: Vec<Refused>,
}

async fn state(app: &App) -> Result<SystemState> {
    let figures = figures();
    let by_code = figures.counters("ticketing_admission_refused_total");
    let refusals =
        by_code.iter().map(|figure| Refused { name: figure.label("code").to_owned(), count: figure.value }).collect();
    Ok(SystemState {
        process: std::process::id(),
        locks: locks::state(app, figures).await?,
        caches: caches(figures),
        hot: hot(app).await,
        limits: limits::state(app, figures),
        breakers: app.breakers.iter().map(|circuit| breaker(circuit, figures)).collect(),
        refusals,
        load: load(app, figures),
    })
}

/// Most hot keys of an answer.
const HOTTEST: usize = 20;

async fn hot(app: &App) -> Vec<HotView> {
    let mut views = Vec::new();
    for HotKey { cache, key, session, reads } in app.catalog.hot().into_iter().take(HOTTEST) {
        // It is hot, and so at hand; what has no title any more is shown without.
        let info = match session {
            Some(session) => app.catalog.session(session).await.ok(),
            None => None,
        };
        let (title, title_zh) = info.map(|info| (info.title.clone(), info.title_zh.clone())).unzip();
        views.push(HotView { cache, key, reads, title, title_zh });
    }
    views
}

fn caches(figures: &Figures) -> Vec<CacheState> {
    const READS: &str = "ticketing_cache_reads_total";
    let capacities = figures.gauges("ticketing_cache_capacity");
    let entries = figures.gauges("ticketing_cache_entries");
    let reads = figures.counters(READS);
    let cache = |name: &str, capacity: f64| {
        let of = |outcome: &str| {
            let reads = reads.iter().filter(|read| read.label("cache") == name && read.label("outcome") == outcome);
            reads.map(|read| read.value).sum()
        };
        let entries = entries.iter().find(|figure| figure.label("cache") == name).map_or(0.0, |figure| figure.value);
        CacheState {
            name: name.to_owned(),
            entries: whole(entries),
            capacity: Some(whole(capacity)),
            hits: of("hit"),
            misses: of("miss"),
        }
    };
    let small = capacities.iter().map(|figure| cache(figure.label("cache"), figure.value));
    // Those of nebula-cache tell what they counted now and then.
    let catalog = figures.gauges("nebula_cache_local_entries").into_iter().map(|figure| {
        let name = figure.label("cache");
        CacheState {
            name: name.to_owned(),
            entries: whole(figure.value),
            capacity: None,
            hits: figures.count_of("nebula_cache_hits_total", "cache", name),
            misses: figures.count_of("nebula_cache_misses_total", "cache", name),
        }
    });
    small.chain(catalog).collect()
}

/// A gauge that counts things.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
fn whole(value: f64) -> u64 {
    value as u64
}

fn breaker(circuit: &Circuit, figures: &Figures) -> BreakerView {
    // A part has one of these names or a provider's, which are different.
    let refused = figures.count_of("ticketing_breaker_refused_total", "part", circuit.part)
        + figures.count_of("ticketing_payment_refused_total", "provider", circuit.part);
    BreakerView { part: circuit.part, state: circuit.state(), opened: circuit.breaker.opened(), refused }
}

fn load(app: &App, figures: &Figures) -> LoadState {
    let refused = |class: &Class| Refused {
        name: class.as_str().to_owned(),
        count: figures.count_of("ticketing_degradation_refusals_total", "class", class.as_str()),
    };
    LoadState { level: app.degrade.level().number(), refusals: Class::ALL.iter().map(refused).collect() }
}
