//! The jobs of this process, and what all processes know of them.

use std::{sync::Arc, time::Duration};

use nebula_lock::LockManager;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    job::{Job, Place},
    record::{self, Record},
    runner::{self, Turn},
    schedule::Schedule,
};
use crate::{
    clock::Millis,
    problem::{Code, Problem, Result},
    storage::Database,
};

/// All jobs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Jobs(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    jobs: Vec<Arc<Job>>,
    pub(super) database: Database,
    pub(super) locks: LockManager,
    /// What this process is called in records.
    pub(super) process: String,
    tasks: TaskTracker,
    pub(super) stopping: CancellationToken,
}

/// What is known of a job now.
pub(super) struct Standing<'j> {
    pub(super) job: &'j Job,
    pub(super) record: Record,
    /// Not known while the locks cannot be asked.
    pub(super) running: Option<bool>,
    pub(super) next: Millis,
    /// It should have been run long ago.
    pub(super) overdue: bool,
}

impl Jobs {
    /// These jobs, with their records in the database. Nothing runs yet.
    #[must_use]
    pub fn new(
        database: Database,
        locks: LockManager,
        tasks: TaskTracker,
        stopping: CancellationToken,
        jobs: impl IntoIterator<Item = Job>,
    ) -> Self {
        let jobs = jobs.into_iter().map(Arc::new).collect();
        Self(Arc::new(Inner { jobs, database, locks, process: process(), tasks, stopping }))
    }

    /// From now on they run when they are due, until the process stops.
    pub fn start(&self) {
        for job in &self.0.jobs {
            self.0.tasks.spawn(runner::follow(self.clone(), Arc::clone(job)));
        }
    }

    /// Their locks.
    pub fn locks(&self) -> impl Iterator<Item = &'static str> {
        self.0.jobs.iter().filter_map(|job| job.lock())
    }

    /// Begins a run now, in the background; one that each server does, on this one.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`] without such a job, [`Code::JobRunning`] while it runs; otherwise the locks failed.
    ///
    /// # Cancel safety
    ///
    /// It begins or not.
    pub async fn run_now(&self, name: &str) -> Result<()> {
        let job = self.0.jobs.iter().find(|job| job.name == name).ok_or_else(|| Problem::not_found("job"))?;
        let turn = Turn::begin(&self.0.locks, job).await?;
        let turn = turn.ok_or_else(|| Problem::new(Code::JobRunning, "Wait until it has ended."))?;
        let (this, job) = (self.clone(), Arc::clone(job));
        self.0.tasks.spawn(async move {
            if let Err(problem) = runner::run(&this, &job, turn).await {
                runner::not_kept(&job, &problem);
            }
        });
        Ok(())
    }

    pub(super) async fn standings(&self) -> Result<Vec<Standing<'_>>> {
        let now = Millis::now();
        let mut standings = Vec::with_capacity(self.0.jobs.len());
        for job in &self.0.jobs {
            let record = record::of(&self.0.database, job.name, now).await?;
            let running = match job.place {
                Place::One(lock) => self.0.locks.inspect(lock).await.ok().map(|holder| holder.is_some()),
                Place::Each => Some(job.here.lock().running),
            };
            let next = due(&job.schedule, &record);
            let overdue = overdue(&job.schedule, &record, now);
            standings.push(Standing { job, record, running, next, overdue });
        }
        Ok(standings)
    }
}

/// When a job comes next. What never ran comes at once, unless the calendar says when.
pub(super) fn due(schedule: &Schedule, record: &Record) -> Millis {
    match (schedule, &record.last) {
        (Schedule::Every(_), None) => record.known_since,
        _ => schedule.after(record.since()),
    }
}

/// It was not run for twice its interval.
fn overdue(schedule: &Schedule, record: &Record, now: Millis) -> bool {
    let since = record.since();
    now.since(since) > schedule.interval(since).saturating_mul(2).max(Duration::from_secs(60))
}

/// The machine and the number of the process on it.
fn process() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}/{}", host.trim(), std::process::id())
}

#[cfg(test)]
mod tests {
    use super::{
        super::{job::Did, record::Run},
        *,
    };

    fn record(began: Option<i64>) -> Record {
        let last = began.map(|began| Run {
            began_at: Millis(began),
            ended_at: Millis(began + 5),
            result: Ok(Did::new()),
            process: String::new(),
        });
        Record { known_since: Millis(1_000), last, succeeded_at: None, runs: 0, failures: 0 }
    }

    #[test]
    fn what_never_ran_comes_at_once_or_by_the_calendar_and_late_is_twice_the_interval() {
        let minute = Schedule::Every(Duration::from_secs(60));
        assert_eq!(due(&minute, &record(None)), Millis(1_000));
        assert_eq!(due(&minute, &record(Some(5_000))), Millis(65_000));
        let daily = Schedule::calendar("0 3 * * *", "UTC").unwrap();
        assert_eq!(due(&daily, &record(None)), Millis(3 * 3_600_000));
        assert!(!overdue(&minute, &record(Some(0)), Millis(120_000)));
        assert!(overdue(&minute, &record(Some(0)), Millis(120_001)));
        assert!(!overdue(&daily, &record(Some(0)), Millis(47 * 3_600_000)));
    }
}
