//! What each database is asked for.

use async_trait::async_trait;
use sqlx::{Database, Pool};

/// A coupon as a row.
#[derive(Debug)]
pub struct CouponRow {
    pub(super) id: String,
    pub(super) template: String,
    pub(super) holder: String,
    pub(super) order: Option<String>,
    pub(super) given_back: Option<String>,
    pub(super) claimed_ms: i64,
    pub(super) from_ms: i64,
    pub(super) until_ms: i64,
}

/// The statements of one database.
#[async_trait]
pub trait Dialect: Database {
    /// How a transaction begins that is going to write.
    const BEGIN: &'static str;

    async fn migrate(pool: &Pool<Self>) -> sqlx::Result<()>;

    async fn put_template(
        connection: &mut Self::Connection,
        id: &str,
        document: &str,
        total: Option<i64>,
    ) -> sqlx::Result<()>;

    async fn template(connection: &mut Self::Connection, id: &str) -> sqlx::Result<Option<(String, i64)>>;

    /// Counts one more, if there is one left, and keeps the template's row until the end of the transaction.
    async fn take(connection: &mut Self::Connection, template: &str) -> sqlx::Result<u64>;

    async fn coupon(connection: &mut Self::Connection, id: &str) -> sqlx::Result<Option<CouponRow>>;

    async fn coupons(connection: &mut Self::Connection, holder: &str) -> sqlx::Result<Vec<CouponRow>>;

    async fn count(connection: &mut Self::Connection, template: &str, holder: &str) -> sqlx::Result<i64>;

    async fn insert(connection: &mut Self::Connection, row: &CouponRow) -> sqlx::Result<()>;

    async fn redeem(
        connection: &mut Self::Connection,
        id: &str,
        holder: &str,
        order: &str,
        now: i64,
    ) -> sqlx::Result<u64>;

    async fn give_back(connection: &mut Self::Connection, id: &str, order: &str) -> sqlx::Result<u64>;

    async fn next_version(connection: &mut Self::Connection, name: &str) -> sqlx::Result<i64>;

    async fn put_document(
        connection: &mut Self::Connection,
        name: &str,
        version: i64,
        (format, text): (&str, &str),
        now: i64,
    ) -> sqlx::Result<()>;

    /// Format and text; no text if it is too long to be read.
    async fn document(
        connection: &mut Self::Connection,
        name: &str,
        version: i64,
    ) -> sqlx::Result<Option<(String, Option<String>)>>;

    async fn versions(connection: &mut Self::Connection, name: &str) -> sqlx::Result<Vec<i64>>;

    async fn active(connection: &mut Self::Connection, name: &str) -> sqlx::Result<Option<i64>>;

    async fn activate(connection: &mut Self::Connection, name: &str, version: i64) -> sqlx::Result<()>;

    /// Puts a version in force in the place of the one that the caller knows; how many rows that changed.
    async fn activate_after(
        connection: &mut Self::Connection,
        name: &str,
        version: i64,
        known: Option<i64>,
    ) -> sqlx::Result<u64>;
}
