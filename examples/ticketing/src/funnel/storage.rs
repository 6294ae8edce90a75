//! The numbers of all processes in the database.

use std::{sync::Arc, time::Duration};

use super::What;
use crate::{
    clock::Millis,
    ids::SessionId,
    problem::{Problem, Result},
    storage::{
        Database, Pool,
        sql::{Sql, query},
    },
};

/// What is counted within this time becomes one number.
pub const BUCKET: Duration = Duration::from_secs(10);
/// Most rows in one statement.
const CHUNK: usize = 500;

/// So many times something happened within a [`BUCKET`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// When that time began.
    pub at: Millis,
    /// What happened.
    pub what: What,
    /// How often.
    pub number: u64,
}

/// When the bucket of a moment began.
pub(super) fn begin(at: Millis) -> Millis {
    let length = i64::try_from(BUCKET.as_millis()).unwrap_or(i64::MAX);
    Millis(at.0 - at.0.rem_euclid(length))
}

fn upsert(rows: usize) -> Sql {
    let row = |n: usize| format!("(${}, ${}, ${}, ${})", n + 1, n + 2, n + 3, n + 4);
    let rows: Vec<String> = (0..rows).map(|place| row(place * 4)).collect();
    Sql::Built(format!(
        "INSERT INTO sale_counts (session_id, at, what, count) VALUES {} \
         ON CONFLICT (session_id, at, what) DO UPDATE SET count = sale_counts.count + excluded.count",
        rows.join(", ")
    ))
}

/// Adds numbers to those of this moment: all of them or none.
pub(super) async fn add(database: &Database, news: Arc<[(SessionId, What, u64)]>) -> Result<()> {
    let at = begin(Millis::now());
    let written = database.write.run::<_, Problem, _>(move |connection| {
        Box::pin(async move {
            for chunk in news.chunks(CHUNK) {
                let mut rows = query(upsert(chunk.len()));
                for (session, what, number) in chunk {
                    let number = i64::try_from(*number).unwrap_or(i64::MAX);
                    rows = rows.bind(*session).bind(at.0).bind(what.name()).bind(number);
                }
                rows.execute(&mut *connection).await?;
            }
            Ok(())
        })
    });
    written.await
}

/// What happened in a session from then on.
///
/// # Errors
///
/// The database failed.
///
/// # Cancel safety
///
/// Safe.
pub async fn read(pool: &Pool, session: SessionId, from: Millis) -> Result<Vec<Bucket>> {
    let rows = query("SELECT at, what, count FROM sale_counts WHERE session_id = $1 AND at >= $2")
        .bind(session)
        .bind(from.0)
        .fetch_all(pool)
        .await?;
    let mut buckets = Vec::with_capacity(rows.len());
    for row in rows {
        let name: String = row.get("what")?;
        // A newer version, while both run, counts what this one does not know.
        let Some(what) = What::from_name(&name) else { continue };
        let number: i64 = row.get("count")?;
        buckets.push(Bucket { at: Millis(row.get("at")?), what, number: u64::try_from(number).unwrap_or(0) });
    }
    Ok(buckets)
}
