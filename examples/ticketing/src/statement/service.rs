//! Fetches bills, compares them, and keeps what came out.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::civil::Date;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::{
    books,
    compare::{Report, compare},
};
use crate::{
    clock::Millis,
    day,
    payment::Providers,
    problem::{Code, Problem, Result},
    storage::{
        Database,
        sql::{Row, query},
    },
};

/// Providers have written their bills so long after midnight.
const WRITTEN: Duration = Duration::from_secs(10 * 3_600);
/// A bill that could not be had is not asked for again before this time.
const AGAIN: Duration = Duration::from_secs(15 * 60);

/// When a provider's bill of a day was compared, and what came out.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Comparison {
    /// The provider.
    pub provider: String,
    /// The day, as the provider counts them.
    pub day: String,
    /// When it was compared last.
    pub at: Millis,
    /// How many lines do not agree.
    pub differences: u32,
}

/// Statements. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Statements {
    database: Database,
    providers: Providers,
    /// When each provider was last asked without success.
    tried: Arc<Mutex<HashMap<&'static str, Instant>>>,
}

impl Statements {
    /// The service on its parts.
    #[must_use]
    pub fn new(database: Database, providers: Providers) -> Self {
        Self { database, providers, tried: Arc::default() }
    }

    /// Compares a provider's bill of a day with the books, and keeps the report.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidValue`] for a day that is not over, [`Code::NotFound`] for a provider that is not switched on;
    /// otherwise the provider or the database could not be asked.
    ///
    /// # Cancel safety
    ///
    /// Kept or not; comparing again replaces the report.
    pub async fn compare(&self, provider: &str, day: Date) -> Result<Report> {
        let now = Millis::now();
        if day >= day::of(now)? || day < jiff::civil::date(2000, 1, 1) {
            return Err(Problem::new(Code::InvalidValue, "Bills are of days that are over.").with("field", "day"));
        }
        let found = self.providers.find(provider).ok_or_else(|| Problem::not_found("payment provider"))?;
        let bill = found.statement(day).await?;
        let books = books::of(&self.database.read, provider, day, &bill).await?;
        let (mut matched, mut differences) = compare(&bill, &[], &books);
        if !differences.is_empty() {
            let before = found.statement(day.yesterday().map_err(Problem::internal)?).await?;
            (matched, differences) = compare(&bill, &before, &books);
        }
        let at = jiff::Timestamp::from_millisecond(now.0).map_err(Problem::internal)?;
        let report =
            Report { provider: provider.to_owned(), day: day.to_string(), at: at.to_string(), matched, differences };
        self.keep(&report, now).await?;
        Ok(report)
    }

    async fn keep(&self, report: &Report, at: Millis) -> Result<()> {
        let text = serde_json::to_string(report).map_err(Problem::internal)?;
        let differences = u32::try_from(report.differences.len()).unwrap_or(u32::MAX);
        metrics::counter!("ticketing_statement_differences_total", "provider" => report.provider.clone())
            .increment(differences.into());
        if differences > 0 {
            tracing::error!(provider = report.provider, day = report.day, differences, "a bill and the books differ");
        }
        let statement = query(include_str!("sql/put.sql"))
            .bind(&report.provider)
            .bind(&report.day)
            .bind(differences)
            .bind(text)
            .bind(at.0);
        self.database
            .write
            .run(move |connection| Box::pin(async move { Ok(statement.execute(connection).await.map(drop)?) }))
            .await
    }

    /// The last report about a day.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`] when there is none.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn report(&self, provider: &str, day: Date) -> Result<Report> {
        let text: Option<String> = query("SELECT report FROM statement_reports WHERE provider = $1 AND day = $2")
            .bind(provider)
            .bind(day.to_string())
            .scalar_optional(&self.database.read)
            .await?;
        let text = text.ok_or_else(|| Problem::not_found("report"))?;
        serde_json::from_str(&text).map_err(Problem::internal)
    }

    /// The comparisons of the latest days, the newest first.
    ///
    /// # Errors
    ///
    /// When the database cannot be asked.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn latest(&self, limit: u32) -> Result<Vec<Comparison>> {
        let rows = query(include_str!("sql/latest.sql")).bind(limit).fetch_all(&self.database.read).await?;
        let comparison = |row: &Row| {
            let (provider, day, at) = (row.get("provider")?, row.get("day")?, Millis(row.get("at")?));
            Ok(Comparison { provider, day, at, differences: row.get("differences")? })
        };
        rows.iter().map(comparison).collect()
    }

    /// Compares yesterday's bills, once each, when they have been written. Answers how many were compared. A provider that
    /// does not give its bill does not keep those of the others from being compared.
    ///
    /// # Errors
    ///
    /// When a provider or the database could not be asked; it is tried again later. Of several, the last one is told.
    ///
    /// # Cancel safety
    ///
    /// As [`compare`](Self::compare).
    pub async fn daily(&self) -> Result<u32> {
        match due(Millis::now())? {
            Some(day) => self.compare_all(day).await,
            None => Ok(0),
        }
    }

    /// Compares the bills of a day that are not compared yet, except those that could not be had just now.
    ///
    /// # Errors
    ///
    /// As [`daily`](Self::daily).
    ///
    /// # Cancel safety
    ///
    /// As [`compare`](Self::compare).
    pub async fn compare_all(&self, day: Date) -> Result<u32> {
        let (mut compared, mut failure) = (0, None);
        for provider in self.providers.all_names() {
            let known: bool = query("SELECT EXISTS (SELECT 1 FROM statement_reports WHERE provider = $1 AND day = $2)")
                .bind(provider)
                .bind(day.to_string())
                .scalar(&self.database.read)
                .await?;
            if known || !self.may_try(provider) {
                continue;
            }
            match self.compare(provider, day).await {
                Ok(_) => {
                    compared += 1;
                    self.tried.lock().remove(provider);
                }
                Err(problem) => failure = Some(problem),
            }
        }
        failure.map_or(Ok(compared), Err)
    }

    fn may_try(&self, provider: &'static str) -> bool {
        let mut tried = self.tried.lock();
        let may = tried.get(provider).is_none_or(|tried| tried.elapsed() >= AGAIN);
        if may {
            tried.insert(provider, Instant::now());
        }
        may
    }
}

/// The day whose bills should have been written by now, if it is time.
fn due(now: Millis) -> Result<Option<Date>> {
    let today = day::of(now)?;
    let (midnight, _) = day::bounds(today)?;
    if now < midnight.plus(WRITTEN) {
        return Ok(None);
    }
    today.yesterday().map(Some).map_err(Problem::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bills_are_due_in_the_morning_after() {
        let at = |text: &str| Millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
        assert_eq!(due(at("2026-11-22T01:59:59Z")).unwrap(), None, "before ten in China");
        assert_eq!(due(at("2026-11-22T02:00:00Z")).unwrap(), Some(jiff::civil::date(2026, 11, 21)));
        assert_eq!(due(at("2026-11-22T15:59:59Z")).unwrap(), Some(jiff::civil::date(2026, 11, 21)));
        assert_eq!(due(at("2026-11-22T16:00:00Z")).unwrap(), None, "the next day has begun");
    }
}
