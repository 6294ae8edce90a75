//! What the platform does by itself again and again, and how often.

use std::{sync::Arc, time::Duration};

use crate::{
    archive::Archive,
    clock::Millis,
    config::Config,
    jobs::{Job, Ran, Schedule, ScheduleError},
    notification::Notices,
    picture::Pictures,
    problem::{Problem, Result},
    reconcile::{self, StockReports},
    search::Search,
    statement::Statements,
    sweep::Sweep,
    user::{Letters, Users},
    wanted::Reminders,
    warm::Ahead,
};

/// Whoever has it sweeps.
pub const SWEEP_LOCK: &str = "ticketing:sweep";
/// The name of the comparison of the stock.
pub const STOCK: &str = "stock";

const ARCHIVE_LOCK: &str = "ticketing:archive";
const BILLS_LOCK: &str = "ticketing:bills";
const SIGN_INS_LOCK: &str = "ticketing:sign-ins";
const REMIND_LOCK: &str = "ticketing:remind";
const NOTICES_LOCK: &str = "ticketing:notices";
const PICTURES_LOCK: &str = "ticketing:pictures";

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
/// How often a provider is asked for a bill that is due.
const BILLS: Duration = Duration::from_secs(600);
/// How often it is looked for sales that are to be loaded.
const AHEAD: Duration = Duration::from_secs(10);
/// How often the index is compared with the database.
const SEARCH: Duration = Duration::from_secs(30);

/// Who does it.
pub(crate) struct Routine {
    pub(crate) sweep: Sweep,
    pub(crate) stock: StockReports,
    pub(crate) statements: Statements,
    pub(crate) archive: Archive,
    pub(crate) users: Users,
    pub(crate) notices: Notices,
    pub(crate) letters: Letters,
    pub(crate) search: Search,
    pub(crate) pictures: Pictures,
    pub(crate) ahead: Ahead,
    pub(crate) reminders: Reminders,
}

impl Routine {
    /// All of it.
    ///
    /// # Errors
    ///
    /// The archive's schedule is none.
    pub(crate) fn jobs(self, config: &Config) -> Result<Vec<Job>, ScheduleError> {
        let Self { sweep, stock, statements, archive, users, notices, letters, search, pictures, ahead, reminders } =
            self;
        let sales = &config.sales;
        let mut jobs = vec![
            sweeping(sweep, sales.sweep_interval),
            stock_job(stock, sales.stock_interval),
            Job::new("bills", Schedule::Every(BILLS), move |_| {
                let statements = statements.clone();
                async move { Ok(Ran::did([("bills", statements.daily().await?.into())])) }
            })
            .alone(BILLS_LOCK),
            Job::new("reminders", Schedule::Every(sales.sweep_interval), move |_| {
                let reminders = reminders.clone();
                async move {
                    let recorded = reminders.run().await?;
                    Ok(Ran::did([("recorded", u64::try_from(recorded).unwrap_or(u64::MAX))]))
                }
            })
            .alone(REMIND_LOCK),
        ];
        if config.archive.enabled {
            jobs.push(archiving(archive, config.archive.schedule()?));
        }
        jobs.extend([
            Job::new("sign-ins", Schedule::Every(HOUR), move |_| {
                let users = users.clone();
                async move { Ok(Ran::did([("removed", users.purge_sessions().await?)])) }
            })
            .alone(SIGN_INS_LOCK),
            Job::new("notices", Schedule::Every(HOUR), move |_| {
                let notices = notices.clone();
                async move { Ok(Ran::did([("removed", notices.forget().await?)])) }
            })
            .alone(NOTICES_LOCK),
            Job::new("pictures", Schedule::Every(HOUR), move |stopping| {
                let pictures = pictures.clone();
                async move {
                    let removed = pictures.tidy(&stopping).await?;
                    if stopping.is_cancelled() {
                        return Ok(Ran::Stopped);
                    }
                    Ok(Ran::did([("removed", removed)]))
                }
            })
            .alone(PICTURES_LOCK),
            // Each process remembers what it sent.
            Job::new("letters", Schedule::Every(HOUR), move |_| {
                let letters = letters.clone();
                async move { Ok(Ran::did([("removed", letters.forget().await?)])) }
            }),
            // Each process has an index and caches of its own.
            Job::new("search", Schedule::Every(SEARCH), move |_| {
                let search = search.clone();
                async move {
                    let found = search.mend().await?;
                    let counts = [("missing", found.missing), ("outdated", found.outdated)];
                    Ok(Ran::did(counts.into_iter().chain([("superfluous", found.superfluous)])))
                }
            })
            .with_patience(5 * MINUTE),
            Job::new("warm-up", Schedule::Every(AHEAD), move |_| {
                let ahead = ahead.clone();
                async move {
                    let loaded = ahead.load(Millis::now()).await?.len();
                    Ok(Ran::did([("sessions", u64::try_from(loaded).unwrap_or(u64::MAX))]))
                }
            })
            .with_patience(5 * MINUTE),
        ]);
        Ok(jobs)
    }
}

fn sweeping(sweep: Sweep, every: Duration) -> Job {
    let sweep = Arc::new(sweep);
    let job = Job::new("sweep", Schedule::Every(every), move |_| {
        let sweep = Arc::clone(&sweep);
        async move {
            let swept = sweep.run().await;
            if swept.failed > 0 {
                let text = format!("{} of its steps could not be finished; the log says which", swept.failed);
                return Err(Problem::unavailable(text));
            }
            Ok(Ran::did(swept.counts().map(|(what, count)| (what, count.into()))))
        }
    });
    job.alone(SWEEP_LOCK)
}

fn stock_job(stock: StockReports, every: Duration) -> Job {
    let job = Job::new(STOCK, Schedule::Every(every), move |stopping| {
        let stock = stock.clone();
        async move {
            let Some(run) = stopping.run_until_cancelled(stock.compare_all()).await else { return Ok(Ran::Stopped) };
            let run = run?;
            if run.failed > 0 {
                let text = format!("{} of {} sessions could not be looked at", run.failed, run.sessions);
                return Err(Problem::unavailable(text));
            }
            let counts = [("sessions", run.sessions), ("mended", run.mended), ("differing", run.differing)];
            Ok(Ran::did(counts.map(|(what, count)| (what, count.into()))))
        }
    });
    job.alone(reconcile::LOCK)
}

/// The first run may have years to move.
fn archiving(archive: Archive, schedule: Schedule) -> Job {
    let job = Job::new("archive", schedule, move |stopping| {
        let archive = archive.clone();
        async move {
            let moved = archive.run(&stopping, |_| ()).await?;
            if stopping.is_cancelled() {
                return Ok(Ran::Stopped);
            }
            Ok(Ran::did([("orders", moved.orders), ("rows", moved.rows)]))
        }
    });
    job.alone(ARCHIVE_LOCK).with_patience(12 * HOUR)
}
