//! Makes the runs of a job when they are due.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use nebula_lock::{LockGuard, LockManager};

use super::{
    board::{Jobs, due},
    job::{Job, Place, Ran, Running},
    record::{self, Record, Run},
};
use crate::{
    clock::Millis,
    problem::{Problem, Result, chain},
};

/// At least so often it is looked whether a run is due: another process may have made the latest one, or failed in it.
const LOOK: Duration = Duration::from_secs(5);
/// At most so often.
const BREATH: Duration = Duration::from_millis(20);
/// So long somebody else who is at it is left alone.
const BUSY: Duration = Duration::from_secs(1);

/// Whose turn it is: this process's.
pub(super) enum Turn {
    /// For all.
    One(LockGuard),
    /// For itself.
    Each(Running),
}

impl Turn {
    /// Unless somebody is at it.
    pub(super) async fn begin(locks: &LockManager, job: &Arc<Job>) -> Result<Option<Self>> {
        Ok(match job.place {
            Place::One(lock) => locks.try_lock(lock).await.map_err(Problem::unavailable)?.map(Self::One),
            Place::Each => Running::begin(job).map(Self::Each),
        })
    }

    async fn end(self) {
        match self {
            Self::One(guard) => {
                let _outcome = guard.release().await;
            }
            Self::Each(running) => drop(running),
        }
    }
}

/// Runs the job when it is due, until the process stops.
pub(super) async fn follow(jobs: Jobs, job: Arc<Job>) {
    let stopping = jobs.0.stopping.clone();
    let mut pause = Duration::ZERO;
    while stopping.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        pause = match look(&jobs, &job).await {
            Ok(next) => next.since(Millis::now()).clamp(BREATH, LOOK),
            Err(problem) => {
                not_kept(&job, &problem);
                LOOK
            }
        };
    }
}

/// Makes a run if one is due; answers when to look again.
async fn look(jobs: &Jobs, job: &Arc<Job>) -> Result<Millis> {
    let next = next(jobs, job).await?;
    if next > Millis::now() {
        return Ok(next);
    }
    let Some(turn) = Turn::begin(&jobs.0.locks, job).await? else {
        let now = Millis::now();
        return Ok(now.plus(BUSY.min(job.schedule.interval(now))));
    };
    // Another process may have been at it until now.
    match self::next(jobs, job).await {
        Ok(next) if next <= Millis::now() => run(jobs, job, turn).await?,
        otherwise => {
            turn.end().await;
            return otherwise;
        }
    }
    self::next(jobs, job).await
}

/// When the next run is due.
async fn next(jobs: &Jobs, job: &Job) -> Result<Millis> {
    let now = Millis::now();
    if job.place == Place::Each {
        let began = job.here.lock().began;
        return Ok(began.map_or(now, |began| job.schedule.after(began)));
    }
    let record = record::of(&jobs.0.database, job.name, now).await?;
    tell(job, &record);
    Ok(due(&job.schedule, &record))
}

/// A run, and its record. Whoever comes next finds the record: the turn ends after that.
pub(super) async fn run(jobs: &Jobs, job: &Arc<Job>, turn: Turn) -> Result<()> {
    let (began_at, clock) = (Millis::now(), Instant::now());
    let work = job.work(&jobs.0.stopping);
    let ran = match &turn {
        Turn::One(guard) => guard.run(work).await.unwrap_or_else(|lost| Err(Problem::unavailable(lost))),
        Turn::Each(_) => work.await,
    };
    job.here.lock().began = Some(began_at);
    let took = clock.elapsed();
    let result = match ran {
        Ok(Ran::Stopped) => {
            turn.end().await;
            return Ok(());
        }
        Ok(Ran::Done(did)) => Ok(did),
        Err(problem) => {
            let error = chain(&problem);
            tracing::warn!(job = job.name, error, "a job failed; it is done again when it is due");
            Err(error)
        }
    };
    let outcome = if result.is_ok() { "done" } else { "failed" };
    metrics::counter!("ticketing_job_runs_total", "name" => job.name, "outcome" => outcome).increment(1);
    metrics::histogram!("ticketing_job_duration_seconds", "name" => job.name).record(took);
    let run = Run { began_at, ended_at: began_at.plus(took), result, process: jobs.0.process.clone() };
    let kept = record::keep(&jobs.0.database, job.name, run).await;
    turn.end().await;
    kept?;
    tell(job, &record::of(&jobs.0.database, job.name, began_at).await?);
    Ok(())
}

pub(super) fn not_kept(job: &Job, problem: &Problem) {
    tracing::warn!(job = job.name, error = chain(problem), "it is not known whether a job is due, or how it went");
}

/// Says the same on every server, whichever made the run.
#[allow(clippy::cast_precision_loss, reason = "milliseconds since 1970")]
fn tell(job: &Job, record: &Record) {
    let since = record.since();
    let name = job.name;
    metrics::gauge!("ticketing_job_began_timestamp_seconds", "name" => name).set(since.0 as f64 / 1_000.0);
    metrics::gauge!("ticketing_job_interval_seconds", "name" => name).set(job.schedule.interval(since).as_secs_f64());
    metrics::gauge!("ticketing_job_failing", "name" => name).set(u32::from(record.failing()));
}
