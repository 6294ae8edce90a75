//! Reports and runs in the database.

use super::service::{StockOutcome, StockRun};
use crate::{
    audit::Audit,
    clock::Millis,
    ids::SessionId,
    problem::{Problem, Result},
    storage::{
        Database,
        sql::{Query, Row, query},
    },
};

/// A report as it was kept.
pub(super) struct Kept {
    pub(super) session: SessionId,
    pub(super) at: Millis,
    pub(super) outcome: StockOutcome,
    pub(super) differences: u32,
    pub(super) report: serde_json::Value,
}

/// With what the session is called.
pub(super) struct Named {
    pub(super) kept: Kept,
    pub(super) title: String,
    pub(super) title_zh: String,
    pub(super) starts_at: Millis,
}

/// Keeps a run, and forgets what is older than `before`.
pub(super) async fn keep_run(database: &Database, run: StockRun, before: Millis) -> Result<()> {
    let forget = ["DELETE FROM stock_runs WHERE at < $1", "DELETE FROM stock_reports WHERE at < $1"];
    let keep = query(include_str!("sql/keep_run.sql"))
        .bind(run.at.0)
        .bind(run.sessions)
        .bind(run.mended)
        .bind(run.differing)
        .bind(run.failed);
    let written = database.write.run::<_, Problem, _>(move |connection| {
        Box::pin(async move {
            keep.execute(&mut *connection).await?;
            for sql in forget {
                query(sql).bind(before.0).execute(&mut *connection).await?;
            }
            Ok(())
        })
    });
    written.await
}

pub(super) async fn keep(database: &Database, audit: &Audit, outcome: StockOutcome, differences: u32) -> Result<()> {
    let text = serde_json::to_string(audit).map_err(Problem::internal)?;
    let keep = query(include_str!("sql/keep.sql"))
        .bind(audit.session_id)
        .bind(audit.at.0)
        .bind(outcome.as_str())
        .bind(differences)
        .bind(text);
    let written = database
        .write
        .run::<_, Problem, _>(move |connection| Box::pin(async move { Ok(keep.execute(connection).await.map(drop)?) }));
    written.await
}

/// The latest runs, the newest first.
pub(super) async fn runs(database: &Database, limit: u32) -> Result<Vec<StockRun>> {
    let rows = query(include_str!("sql/runs.sql")).bind(limit).fetch_all(&database.read).await?;
    let run = |row: &Row| {
        Ok(StockRun {
            at: Millis(row.get("at")?),
            sessions: row.get("sessions")?,
            mended: row.get("mended")?,
            differing: row.get("differing")?,
            failed: row.get("failed")?,
        })
    };
    rows.iter().map(run).collect()
}

/// The latest report of each session, those with differences first.
pub(super) async fn latest(database: &Database, limit: u32) -> Result<Vec<Named>> {
    let rows = query(include_str!("sql/latest.sql")).bind(limit).fetch_all(&database.read).await?;
    let named = |row: &Row| {
        let (title, title_zh, starts_at) = (row.get("title")?, row.get("title_zh")?, Millis(row.get("starts_at")?));
        Ok(Named { kept: kept(row)?, title, title_zh, starts_at })
    };
    rows.iter().map(named).collect()
}

/// The reports of a session, the newest first.
pub(super) async fn of_session(database: &Database, session: SessionId, limit: u32) -> Result<Vec<Kept>> {
    let of_session: Query = query(include_str!("sql/of_session.sql")).bind(session).bind(limit);
    of_session.fetch_all(&database.read).await?.iter().map(kept).collect()
}

fn kept(row: &Row) -> Result<Kept> {
    let (outcome, report): (String, String) = (row.get("outcome")?, row.get("report")?);
    Ok(Kept {
        session: row.get("session_id")?,
        at: Millis(row.get("at")?),
        outcome: serde_json::from_value(outcome.into()).map_err(Problem::internal)?,
        differences: row.get("differences")?,
        report: serde_json::from_str(&report).map_err(Problem::internal)?,
    })
}
