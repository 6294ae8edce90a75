//! What the catalog keeps: in this process, and on Redis where several share one.
//!
//! Who changes something evicts it, here at once and everywhere within [`BOUND`]. Times to live are for what was changed
//! without a word, by a tool or by hand.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use nebula_cache::{Cache, CacheBuilder, CacheKey, CacheManager, Cached, Error, ErrorKind, HotKeys, Position};

use super::{catalog::Facts, catalog::SessionInfo, listing::Show, plan::Plan};
use crate::{
    ids::{PlanId, SessionId, ShowId, VenueId},
    problem::{Code, Problem, Result, chain},
};

/// So long after a change, at most, another process still answers with what was before.
pub const BOUND: Duration = Duration::from_secs(1);
/// How long sessions and prices are believed if nobody says that they have changed, and once more while they are read again.
const SESSION: Duration = Duration::from_secs(30);
/// How long it is believed that there is no such session.
const NOBODY: Duration = Duration::from_secs(5);
/// How long the list of shows is believed: it changes by itself when a performance begins.
const LIST: Duration = Duration::from_millis(500);
/// Plans never change.
const PLAN: Duration = Duration::from_secs(60 * 60);
/// Version of [`Facts`] in the shared level.
const SCHEMA: u32 = 2;
/// What every list of shows is marked with.
const LISTS: &str = "shows";

/// A key that is read far more often than others.
#[derive(Clone, Debug)]
pub struct HotKey {
    /// Its cache.
    pub cache: &'static str,
    /// The key.
    pub key: String,
    /// The session that it stands for.
    pub session: Option<SessionId>,
    /// Reads a second, about.
    pub reads: u32,
}

/// The caches of the catalog.
#[derive(Debug)]
pub(super) struct Caches {
    manager: CacheManager,
    /// What the database says of sessions. Processes share it; this one keeps what it makes of it.
    pub(super) facts: Cache<SessionId, Facts>,
    pub(super) sessions: Cache<SessionId, Arc<SessionInfo>>,
    pub(super) plans: Cache<PlanId, Arc<Plan>>,
    /// By the merchant's name, or of all under the empty one.
    pub(super) shows: Cache<String, Arc<Vec<Show>>>,
    pub(super) warming: AtomicBool,
}

impl Caches {
    pub(super) fn new(manager: CacheManager, hot: HotKeys) -> Result<Self, Error> {
        Ok(Self {
            facts: patient(manager.cache("session-facts").with_schema(SCHEMA).with_local_capacity(0), SESSION)
                .build()?,
            sessions: patient(manager.local_cache("sessions").with_local_capacity(4_096), SESSION)
                .with_stale_while_revalidate(SESSION)
                .with_hot_keys(hot)
                .build()?,
            plans: patient(manager.local_cache("plans").with_local_capacity(64), PLAN)
                .with_local_ttl(PLAN)
                .with_hot_keys(hot)
                .build()?,
            shows: patient(manager.local_cache("shows").with_local_capacity(256), LIST).with_hot_keys(hot).build()?,
            warming: AtomicBool::new(false),
            manager,
        })
    }

    /// What is read most on this server: cache, key, and about how often a second; the hottest first.
    pub(super) fn hot(&self) -> Vec<HotKey> {
        let key = |cache, key: String, session, reads| HotKey { cache, key, session, reads };
        let sessions = self.sessions.hot_keys().into_iter();
        let sessions = sessions.map(|(id, reads)| key("sessions", id.to_string(), Some(id), reads));
        let plans = self.plans.hot_keys().into_iter().map(|(id, reads)| key("plans", id.to_string(), None, reads));
        let shows = self.shows.hot_keys().into_iter().map(|(merchant, reads)| key("shows", merchant, None, reads));
        let mut hot: Vec<_> = sessions.chain(plans).chain(shows).collect();
        hot.sort_by_key(|key| std::cmp::Reverse(key.reads));
        hot
    }

    pub(super) async fn forget_session(&self, id: SessionId) {
        // First what the others would take up again.
        noted(self.facts.evict(&id).await);
        noted(self.sessions.evict(&id).await);
    }

    pub(super) async fn forget_lists(&self) {
        noted(self.manager.evict_tag(LISTS).await);
    }

    pub(super) async fn forget_tag(&self, tag: &str) {
        noted(self.manager.evict_tag(tag).await);
    }

    pub(super) async fn forget_everything(&self) {
        noted(self.manager.clear().await);
    }

    pub(super) fn is_warming(&self) -> bool {
        self.warming.load(Ordering::Relaxed)
    }
}

/// What all of them have in common: a database that is back is asked at once.
fn patient<K: CacheKey, V: Send + Sync + 'static>(cache: CacheBuilder<K, V>, ttl: Duration) -> CacheBuilder<K, V> {
    cache
        .with_ttl(ttl)
        .with_null_ttl(NOBODY.min(ttl))
        .with_back_off(Duration::from_millis(20), Duration::from_millis(250))
}

/// The mark of everything that a show is part of.
pub(super) fn show_tag(id: ShowId) -> String {
    format!("show:{id}")
}

/// The mark of everything that happens in a venue.
pub(super) fn venue_tag(id: VenueId) -> String {
    format!("venue:{id}")
}

/// The mark of every list of shows.
pub(super) const fn lists_tag() -> &'static str {
    LISTS
}

/// What was found, or that there is none.
pub(super) fn found<V>(cached: Result<Option<Cached<V>>, Error>, what: &'static str) -> Result<Cached<V>> {
    cached.map_err(failed)?.ok_or_else(|| Problem::not_found(what))
}

pub(super) fn failed(error: Error) -> Problem {
    match error.kind() {
        ErrorKind::Overloaded => Problem::new(Code::Busy, "Too much is being looked up.").caused_by(error),
        _ => Problem::unavailable(error),
    }
}

/// This process has forgotten it in any case; the others are told as soon as they can be, or believe it no longer than
/// [`BOUND`] until then.
fn noted(evicted: Result<Position, Error>) {
    if let Err(error) = evicted {
        tracing::warn!(error = chain(&error), "other processes hear later of a change of the catalog");
    }
}
