//! Who holds the platform's locks.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::{
    app::App,
    inventory::{REBUILD_LOCK, unsettled},
    problem::{Problem, Result},
    telemetry::Figures,
};

/// Locks of sessions that are asked about: those of a rebuild, which few have at a time.
const SESSIONS: usize = 200;
/// Questions at the same time.
const AT_ONCE: usize = 16;
/// All questions together may take so long.
const PATIENCE: Duration = Duration::from_secs(5);

/// The platform's locks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Locks {
    /// How long their store takes to answer; absent while it does not.
    round_trip_ms: Option<u64>,
    /// Held by the process that answers.
    held: usize,
    /// Callers of this process that wait for one.
    waiting: usize,
    /// Those that are known: the jobs', held or not, and those of ledgers that are counted anew.
    leases: Vec<Lease>,
    /// What this process did with locks.
    counts: LockCounts,
}

/// A lock.
#[derive(Debug, Serialize, ToSchema)]
struct Lease {
    /// Its key.
    name: String,
    /// Who has it; absent if nobody does.
    holder: Option<LeaseHolder>,
}

/// Who has a lock.
#[derive(Debug, Serialize, ToSchema)]
struct LeaseHolder {
    /// The first digits of the number that stands for this hold.
    owner: String,
    /// Its fence token: the number of the hold.
    fence: u64,
    /// The lease ends then, unless it is renewed.
    remaining_ms: u64,
    /// Others who wait for it.
    waiting: usize,
}

/// What a process did with locks since it started.
#[derive(Debug, Serialize, ToSchema)]
struct LockCounts {
    /// Got one.
    acquired: u64,
    /// Found it held by somebody else.
    busy: u64,
    /// Could not ask.
    failed: u64,
    /// Lost one while it had it.
    lost: u64,
    /// Held one for longer than expected.
    held_long: u64,
}

pub(super) async fn state(app: &App, figures: &Figures) -> Result<Locks> {
    let counts = counts(figures);
    let Ok(health) = app.locks.health().await else {
        return Ok(Locks { round_trip_ms: None, held: 0, waiting: 0, leases: Vec::new(), counts });
    };
    let asked = timeout(PATIENCE, leases(app)).await;
    let leases = asked.map_err(|_| Problem::unavailable("the locks did not answer in time"))??;
    let round_trip_ms = u64::try_from(health.round_trip.as_millis()).ok();
    Ok(Locks { round_trip_ms, held: health.held, waiting: health.waiting, leases, counts })
}

async fn leases(app: &App) -> Result<Vec<Lease>> {
    let always: Vec<_> = app.jobs.locks().map(|name| (name.to_owned(), true)).collect();
    let sessions = unsettled(&app.database).await?.into_iter().take(SESSIONS);
    let names = always.into_iter().chain(sessions.map(|session| (format!("{REBUILD_LOCK}{session}"), false)));
    let asked = stream::iter(names)
        .map(|(name, always)| async move {
            let holder = app.locks.inspect(name.as_str()).await.map_err(Problem::unavailable)?;
            Ok::<_, Problem>(
                (always || holder.is_some()).then(|| Lease { name, holder: holder.map(LeaseHolder::from) }),
            )
        })
        .buffered(AT_ONCE);
    Ok(asked.try_collect::<Vec<_>>().await?.into_iter().flatten().collect())
}

impl From<nebula_lock::Holder> for LeaseHolder {
    fn from(holder: nebula_lock::Holder) -> Self {
        Self {
            owner: holder.owner().to_string().chars().take(8).collect(),
            fence: holder.fence().get(),
            remaining_ms: u64::try_from(holder.remaining().as_millis()).unwrap_or(u64::MAX),
            waiting: holder.waiting(),
        }
    }
}

fn counts(figures: &Figures) -> LockCounts {
    let outcome = |outcome: &str| figures.count_of("nebula_lock_acquisitions_total", "outcome", outcome);
    LockCounts {
        acquired: outcome("acquired"),
        busy: outcome("busy"),
        failed: outcome("failed"),
        lost: figures.count("nebula_lock_lost_total"),
        held_long: figures.count("nebula_lock_long_holds_total"),
    }
}
