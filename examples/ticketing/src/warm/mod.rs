//! Loads plans and ledgers of what is listed before the first buyer asks for them, and says how far it is.

mod ahead;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

pub use self::ahead::Ahead;
use crate::{
    app::App,
    ids::SessionId,
    inventory::Inventory,
    problem::{Result, chain},
    show::Catalog,
};

/// A process that could not load everything by then takes part nevertheless: what is missing is loaded by who asks for it.
const PATIENCE: Duration = Duration::from_secs(120);
/// So long the catalog is waited for before its sessions are loaded one by one.
const CATALOG: Duration = Duration::from_secs(30);
/// So long sessions that cannot be loaded are tried again.
const GRACE: Duration = Duration::from_secs(10);
/// Until what could not be loaded is tried again.
const AGAIN: Duration = Duration::from_millis(500);

/// How far it is.
#[derive(Clone, Debug, Default)]
pub struct Warmth(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    loading: AtomicBool,
    loaded: AtomicU32,
    all: AtomicU32,
}

/// Sessions whose plan and seats are loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Progress {
    /// Done.
    pub loaded: u32,
    /// To be done; 0 while nobody has counted them.
    pub all: u32,
}

impl Warmth {
    /// From now on the process is not ready.
    pub fn begin(&self) {
        self.0.loading.store(true, Relaxed);
    }

    /// How far it is; `None` when nothing is to be waited for.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        let Inner { loading, loaded, all } = &*self.0;
        loading.load(Relaxed).then(|| Progress { loaded: loaded.load(Relaxed), all: all.load(Relaxed) })
    }

    fn set(&self, loaded: u32, all: usize) {
        let all = u32::try_from(all).unwrap_or(u32::MAX);
        self.0.loaded.store(loaded, Relaxed);
        self.0.all.store(all, Relaxed);
        metrics::gauge!("ticketing_warm_sessions", "state" => "listed").set(all);
        metrics::gauge!("ticketing_warm_sessions", "state" => "loaded").set(loaded);
    }

    fn add(&self) {
        let loaded = self.0.loaded.fetch_add(1, Relaxed) + 1;
        metrics::gauge!("ticketing_warm_sessions", "state" => "loaded").set(loaded);
    }
}

/// Loads everything that is listed, then says that the process is ready.
///
/// # Cancel safety
///
/// What is loaded stays loaded; the process does not become ready.
pub async fn load(app: &App) {
    app.warmth.begin();
    if tokio::time::timeout(PATIENCE, load_all(app)).await.is_err() {
        let Progress { loaded, all } = app.warmth.progress().unwrap_or(Progress { loaded: 0, all: 0 });
        tracing::warn!(loaded, all, "not every session could be loaded beforehand");
    }
    app.warmth.0.loading.store(false, Relaxed);
}

async fn load_all(app: &App) {
    // What several processes load at once goes to the database once.
    if let Err(problem) = app.catalog.warm_up(CATALOG).await {
        tracing::warn!(error = chain(&problem), "the catalog cannot be loaded yet");
    }
    let sessions = loop {
        match listed(app).await {
            Ok(sessions) => break sessions,
            Err(problem) => {
                tracing::warn!(error = chain(&problem), "the sessions cannot be listed yet");
                tokio::time::sleep(AGAIN).await;
            }
        }
    };
    let (all, begun) = (sessions.len(), Instant::now());
    app.warmth.set(0, all);
    let mut left = sessions;
    loop {
        let mut failed = Vec::new();
        for session in left {
            match load_one(&app.catalog, &app.inventory, session).await {
                Ok(()) => app.warmth.add(),
                Err(problem) => {
                    tracing::warn!(%session, error = chain(&problem), "a session cannot be loaded yet");
                    failed.push(session);
                }
            }
        }
        if failed.is_empty() {
            tracing::info!(sessions = all, "plans and seats of what is listed are loaded");
            return;
        }
        // The domain that is there shall not wait for the other one.
        if begun.elapsed() > GRACE {
            tracing::warn!(missing = failed.len(), all, "not every session could be loaded beforehand");
            return;
        }
        left = failed;
        tokio::time::sleep(AGAIN).await;
    }
}

async fn listed(app: &App) -> Result<Vec<SessionId>> {
    let shows = app.catalog.shows().await?;
    Ok(shows.into_iter().flat_map(|show| show.sessions).map(|session| session.id).collect())
}

async fn load_one(catalog: &Catalog, inventory: &Inventory, session: SessionId) -> Result<()> {
    catalog.session(session).await?;
    inventory.warm(session).await
}
