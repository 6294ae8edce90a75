use std::{fmt, sync::Arc, time::SystemTime};

use async_trait::async_trait;

use super::{
    job::Job,
    query::{RecordQuery, Statistic},
    receipt::DeliveryReceipt,
};
use crate::{error::Result, sealer::Sealer};

/// Where jobs live.
///
/// # Contract
///
/// - `a_key_is_used_once`: `insert` with a key that the same tenant has used before stores nothing and answers with the jobs of
///   back then; also when both come at once.
/// - `everything_is_kept`: a job that was stored comes back as it was.
/// - `stale_changes_are_refused`: `swap` stores a job only if the stored version is the one before its own; also when many come
///   at once, one succeeds.
/// - `due_jobs_are_found`: `due` has open jobs whose time has come, the longest due first, and no others.
/// - `receipts_find_their_job`: a job is found by the provider's id of any of its attempts, and by its reference; if the receipt names a
///   number, only a job to that number is.
/// - `queries_fit`: `find` has exactly the jobs that fit, the latest first, page by page.
/// - `attempts_are_counted`: `statistics` counts the attempts of jobs made within a span, by provider and template.
/// - `old_records_go`: `forget` removes closed jobs made before a time, their attempts and their keys, and no others.
#[async_trait]
pub trait RecordStore: fmt::Debug + Send + Sync + 'static {
    /// Stores the jobs of a notification under its idempotency key.
    async fn insert(&self, key: Option<&str>, jobs: &[Job]) -> Result<Inserted>;

    /// Reads a job.
    async fn get(&self, id: &str) -> Result<Option<Job>>;

    /// Stores a changed job whose version is one more than the stored one. `false`: somebody else was first.
    async fn swap(&self, job: &Job) -> Result<bool>;

    /// Open jobs that are due.
    async fn due(&self, now: SystemTime, max: u32) -> Result<Vec<Job>>;

    /// The job that a receipt is about.
    async fn by_receipt(&self, receipt: &DeliveryReceipt) -> Result<Option<Job>>;

    /// Jobs that fit a query.
    async fn find(&self, query: &RecordQuery) -> Result<Vec<Job>>;

    /// Counts the attempts of jobs made within a span.
    async fn statistics(&self, since: SystemTime, until: SystemTime) -> Result<Vec<Statistic>>;

    /// Removes closed jobs made before a time; how many.
    async fn forget(&self, before: SystemTime) -> Result<u64>;

    /// What it seals with, for whoever writes jobs into a transaction beside it. Nothing, unless it says otherwise.
    fn sealer(&self) -> Option<Arc<dyn Sealer>> {
        None
    }
}

/// What became of storing a notification's jobs.
#[derive(Clone, Debug)]
pub enum Inserted {
    /// They are stored.
    New,
    /// The key was used before, for these.
    Existing(Vec<Job>),
}
