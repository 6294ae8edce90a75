//! The latest run of each job, in the database.

use super::job::Did;
use crate::{
    clock::Millis,
    problem::{Problem, Result},
    storage::{
        Database,
        sql::{Row, query},
    },
};

/// Most characters of an error that are kept.
const LONGEST: usize = 500;

/// What is known of a job.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) known_since: Millis,
    pub(super) last: Option<Run>,
    pub(super) succeeded_at: Option<Millis>,
    pub(super) runs: u64,
    pub(super) failures: u64,
}

/// A run.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) began_at: Millis,
    pub(super) ended_at: Millis,
    /// What it did, or why it failed.
    pub(super) result: Result<Did, String>,
    pub(super) process: String,
}

impl Record {
    /// What the schedule counts from.
    pub(super) fn since(&self) -> Millis {
        self.last.as_ref().map_or(self.known_since, |run| run.began_at)
    }

    pub(super) fn failing(&self) -> bool {
        self.last.as_ref().is_some_and(|run| run.result.is_err())
    }
}

/// What is known of a job; from now on it is known.
pub(super) async fn of(database: &Database, job: &'static str, now: Millis) -> Result<Record> {
    if let Some(record) = read(database, job).await? {
        return Ok(record);
    }
    let known = query(
        "INSERT INTO jobs (name, known_since, runs, failures) VALUES ($1, $2, 0, 0) ON CONFLICT (name) DO NOTHING",
    );
    let known = known.bind(job).bind(now.0);
    let written = database.write.run::<_, Problem, _>(move |connection| {
        Box::pin(async move { Ok(known.execute(connection).await.map(drop)?) })
    });
    written.await?;
    let record = read(database, job).await?;
    record.ok_or_else(|| Problem::internal(format!("the job {job} is not known")))
}

async fn read(database: &Database, job: &'static str) -> Result<Option<Record>> {
    let row = query("SELECT * FROM jobs WHERE name = $1").bind(job).fetch_optional(&database.read).await?;
    row.as_ref().map(record).transpose()
}

fn record(row: &Row) -> Result<Record> {
    let time = |name: &str| Ok::<_, Problem>(row.get::<Option<i64>>(name)?.map(Millis));
    let last = match (time("began_at")?, time("ended_at")?) {
        (Some(began_at), Some(ended_at)) => {
            let (did, error): (Option<String>, Option<String>) = (row.get("did")?, row.get("error")?);
            let result = match error {
                Some(error) => Err(error),
                None => Ok(serde_json::from_str(&did.unwrap_or_default()).map_err(Problem::internal)?),
            };
            Some(Run { began_at, ended_at, result, process: row.get::<Option<String>>("process")?.unwrap_or_default() })
        }
        _ => None,
    };
    let known_since = Millis(row.get("known_since")?);
    let (runs, failures): (i64, i64) = (row.get("runs")?, row.get("failures")?);
    let count = |count: i64| u64::try_from(count).unwrap_or(0);
    Ok(Record { known_since, last, succeeded_at: time("succeeded_at")?, runs: count(runs), failures: count(failures) })
}

/// Keeps a run.
pub(super) async fn keep(database: &Database, job: &'static str, run: Run) -> Result<()> {
    let Run { began_at, ended_at, result, process } = run;
    let failed = result.is_err();
    let (did, error) = match result {
        Ok(did) => (Some(serde_json::to_string(&did).map_err(Problem::internal)?), None),
        Err(error) => (None, Some(error.chars().take(LONGEST).collect::<String>())),
    };
    let keep = query(include_str!("sql/keep.sql"))
        .bind(job)
        .bind(began_at.0)
        .bind(ended_at.0)
        .bind(if failed { "failed" } else { "done" })
        .bind(did)
        .bind(error)
        .bind(process)
        .bind((!failed).then_some(ended_at.0))
        .bind(i64::from(failed));
    let written = database
        .write
        .run::<_, Problem, _>(move |connection| Box::pin(async move { Ok(keep.execute(connection).await.map(drop)?) }));
    written.await
}
