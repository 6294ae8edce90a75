//! What each database is asked for.
//!
//! The policy around it (deadlines, batches, wake-ups, damaged rows) is the same for all and stands beside it.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use sqlx::{Database, Pool};

use super::{
    beside::{Ledgers, Marks},
    lives::Lives,
};
use crate::QueueStats;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
use crate::dead::overdue_since;

/// The columns that make up a message.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) seq: i64,
    pub(super) id: String,
    pub(super) rank: i64,
    pub(super) envelope: String,
    pub(super) body: Vec<u8>,
}

/// A message that was just leased.
#[derive(Debug)]
pub struct ClaimedRow {
    pub(super) content: Content,
    pub(super) due_ms: i64,
    pub(super) ready_ms: i64,
    pub(super) attempts: i64,
}

/// A dead letter.
#[derive(Debug)]
pub struct DeadRow {
    pub(super) content: Content,
    pub(super) attempts: i64,
    pub(super) last_error: Option<String>,
    pub(super) died_ms: i64,
    pub(super) reason: Option<String>,
}

/// Counts of a queue: backlog, delayed, leased, dead, from when the longest waiting could be claimed, and overdue.
pub(super) type Counts = (i64, i64, i64, i64, Option<i64>, i64);

pub(super) fn statistics((backlog, delayed, leased, dead, oldest, overdue): Counts, now: i64) -> QueueStats {
    let late = Duration::from_millis(oldest.map_or(0, |at| u64::try_from(now - at).unwrap_or(0)));
    let count = i64::unsigned_abs;
    QueueStats::new(count(backlog), count(delayed), count(leased), count(dead), late).with_overdue(count(overdue))
}

/// From when a message that could be claimed is overdue.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub(super) fn overdue_ms(now: i64) -> i64 {
    super::as_i64(overdue_since(now.unsigned_abs()))
}

/// A message to be stored.
#[derive(Debug)]
pub struct NewRow<'a> {
    pub(super) id: &'a str,
    pub(super) rank: i64,
    pub(super) due_ms: i64,
    pub(super) envelope: String,
    pub(super) body: &'a [u8],
}

/// How a lease ends, or lasts.
#[derive(Clone, Copy, Debug)]
pub enum Settling {
    /// Rows of id, token.
    Ack,
    /// Rows of id, token, when, 1 if counted, error.
    Retry,
    /// Rows of id, token; the time is the end of the lease.
    Extend,
    /// Rows of id, token, reason, error; the time is now.
    Bury,
}

/// Where claims look, and for how long they take what they find.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    pub(super) queue: &'a str,
    pub(super) now: i64,
    pub(super) limit: i64,
    /// The end of the lease.
    pub(super) end: i64,
    pub(super) token: &'a str,
}

/// Statements that every database understands, each in its own words.
#[async_trait]
pub trait Statements: Database {
    /// Stores one message; `false` if its id is taken.
    async fn insert_one(connection: &mut Self::Connection, queue: &str, row: &NewRow<'_>) -> sqlx::Result<bool>;
    /// Returns the number of messages, as the next three do.
    async fn cancel(connection: &mut Self::Connection, queue: &str, id: &str, now: i64) -> sqlx::Result<u64>;
    /// Moves a waiting message.
    async fn reschedule(
        connection: &mut Self::Connection,
        queue: &str,
        id: &str,
        now: i64,
        due: i64,
    ) -> sqlx::Result<u64>;
    /// Makes a dead letter due.
    async fn replay(connection: &mut Self::Connection, queue: &str, id: &str, now: i64) -> sqlx::Result<u64>;
    /// Deletes a dead letter, or all.
    async fn purge(connection: &mut Self::Connection, queue: &str, id: Option<&str>) -> sqlx::Result<u64>;
    /// Dead letters, the longest dead first.
    async fn dead(connection: &mut Self::Connection, queue: &str, limit: i64, skip: i64) -> sqlx::Result<Vec<DeadRow>>;
    /// Counts.
    async fn stats(connection: &mut Self::Connection, queue: &str, now: i64) -> sqlx::Result<Counts>;
    /// Queues that hold a message, in any order.
    async fn queues(connection: &mut Self::Connection) -> sqlx::Result<Vec<String>>;
    /// Asks the table, not only the connection: a database that was not migrated is not healthy.
    async fn ping(connection: &mut Self::Connection) -> sqlx::Result<()>;
}

/// What is done in different ways.
#[async_trait]
pub trait Dialect: Statements + Marks + Ledgers + Lives {
    /// Begins a transaction that writes.
    const WRITING: &'static str;
    /// Whether a network lies between, which can swallow answers.
    const REMOTE: bool;
    /// Creates or updates the tables.
    async fn migrate(pool: &Pool<Self>) -> sqlx::Result<()>;
    /// The time that all users of the database share.
    async fn now(connection: &mut Self::Connection) -> sqlx::Result<SystemTime>;
    /// Stores messages; returns the ids that were not taken.
    async fn insert_many(
        connection: &mut Self::Connection,
        queue: &str,
        rows: &[NewRow<'_>],
    ) -> sqlx::Result<Vec<String>>;
    /// From when the next message can be claimed.
    async fn next(connection: &mut Self::Connection, queue: &str) -> sqlx::Result<Option<i64>>;
    /// What waits, and from when it can be claimed: the first ones.
    async fn peek(
        connection: &mut Self::Connection,
        queue: &str,
        now: i64,
        limit: i64,
    ) -> sqlx::Result<Vec<(String, i64)>>;
    /// Leases messages, in any order.
    async fn claim(connection: &mut Self::Connection, claim: Claim<'_>) -> sqlx::Result<Vec<ClaimedRow>>;
    /// Carries out an array of requests, each for another id; returns the ids whose token was right.
    async fn settle(
        connection: &mut Self::Connection,
        settling: Settling,
        queue: &str,
        rows: &str,
        time: Option<i64>,
    ) -> sqlx::Result<Vec<String>>;
}
