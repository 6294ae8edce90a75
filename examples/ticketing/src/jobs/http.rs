//! Jobs at the desk of operators.

use axum::{extract::State, http::StatusCode};
use nebula_auth::access::{Granted, Requirement};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{
    board::Standing,
    job::{Did, Place},
    record::Run,
    schedule::Schedule,
};
use crate::{
    app::App,
    clock::Millis,
    http::{Json, Path},
    office::{Desk, Why, job, reason},
    problem::Result,
    user::Buyer,
};

/// What this module has for the back office.
pub fn desk() -> Desk {
    Desk::new()
        .routes(Requirement::permission::<job::Read>(), routes!(list_jobs))
        .routes(Requirement::permission::<job::Run>(), routes!(run_job))
}

/// All jobs.
#[derive(Debug, Serialize, ToSchema)]
struct JobList {
    /// In the order of their registration.
    jobs: Vec<JobView>,
}

/// A job.
#[derive(Debug, Serialize, ToSchema)]
struct JobView {
    /// Its name.
    name: &'static str,
    /// `one`: one server at a time does it for all. `each`: each server for itself; the latest run of any is told.
    place: &'static str,
    /// It comes so long after the beginning of the latest run; absent if the calendar says when.
    every_ms: Option<u64>,
    /// Minute, hour, day of the month, month, day of the week; absent if it comes after a time.
    cron: Option<String>,
    /// By the clock of this time zone.
    time_zone: Option<String>,
    /// Whether somebody is at it; of a job of each server, the one that answers. Absent while the locks cannot be asked.
    running: Option<bool>,
    /// When it comes next.
    next_at: Millis,
    /// It was not run for twice its interval.
    overdue: bool,
    /// The latest run.
    last: Option<JobRun>,
    /// When it last ended well.
    succeeded_at: Option<Millis>,
    /// All runs.
    runs: u64,
    /// Those that failed.
    failures: u64,
}

/// A run.
#[derive(Debug, Serialize, ToSchema)]
struct JobRun {
    /// When it began.
    began_at: Millis,
    /// How long it took.
    took_ms: u64,
    /// `done` or `failed`.
    outcome: &'static str,
    /// What it did: numbers by name.
    #[schema(value_type = Object)]
    did: Did,
    /// Why it failed.
    error: Option<String>,
    /// Who made it: a machine, and the number of the process on it.
    process: String,
}

impl From<Standing<'_>> for JobView {
    fn from(Standing { job, record, running, next, overdue }: Standing<'_>) -> Self {
        let (every_ms, cron, time_zone) = match &job.schedule {
            Schedule::Every(interval) => (u64::try_from(interval.as_millis()).ok(), None, None),
            Schedule::Calendar(calendar) => {
                (None, Some(calendar.text().to_owned()), calendar.zone().map(ToOwned::to_owned))
            }
        };
        Self {
            name: job.name,
            place: match job.place {
                Place::One(_) => "one",
                Place::Each => "each",
            },
            every_ms,
            cron,
            time_zone,
            running,
            next_at: next,
            overdue,
            last: record.last.map(JobRun::from),
            succeeded_at: record.succeeded_at,
            runs: record.runs,
            failures: record.failures,
        }
    }
}

impl From<Run> for JobRun {
    fn from(Run { began_at, ended_at, result, process }: Run) -> Self {
        let took_ms = u64::try_from(ended_at.since(began_at).as_millis()).unwrap_or(u64::MAX);
        let (outcome, did, error) = match result {
            Ok(did) => ("done", did, None),
            Err(error) => ("failed", Did::new(), Some(error)),
        };
        Self { began_at, took_ms, outcome, did, error, process }
    }
}

/// What the platform does by itself again and again: when, how it went, and when it comes next.
#[utoipa::path(
    get, operation_id = "jobs", path = "/admin/jobs", tag = "admin",
    responses((status = 200, body = JobList), (status = 403, description = "`forbidden`")),
    security(("bearer" = []))
)]
async fn list_jobs(State(app): State<App>, _: Granted<job::Read>) -> Result<Json<JobList>> {
    let jobs = app.jobs.standings().await?.into_iter().map(JobView::from).collect();
    Ok(Json(JobList { jobs }))
}

/// Make a run now, in the background; of a job that each server does, on the one that answers.
#[utoipa::path(
    post, operation_id = "run_job", path = "/admin/jobs/{name}/runs", tag = "admin", request_body = Why,
    params(("name" = String, Path)),
    responses(
        (status = 202, description = "It begins"),
        (status = 403, description = "`forbidden`"),
        (status = 404, description = "`not-found`"),
        (status = 409, description = "`job-running`"),
        (status = 422, description = "`invalid-value`"),
    ),
    security(("bearer" = []))
)]
async fn run_job(
    State(app): State<App>,
    _: Granted<job::Run>,
    who: Buyer,
    Path(name): Path<String>,
    Json(wish): Json<Why>,
) -> Result<StatusCode> {
    let reason = reason(&wish.reason)?;
    app.jobs.run_now(&name).await?;
    app.office.changed(&who.id.to_string(), "job.run", &format!("job:{name}"), reason).await?;
    Ok(StatusCode::ACCEPTED)
}
