//! The statements, database by database.

use async_trait::async_trait;
use sqlx::{Database, Pool, Row};

use super::dialect::{CouponRow, Dialect};

macro_rules! dialect {
    ($database:ty, $folder:literal, begin: $begin:literal, migrate: $migrate:literal) => {
        const _: () = {
            macro_rules! sql {
                ($name:literal) => {
                    include_str!(concat!($folder, "/", $name, ".sql"))
                };
            }

            fn row(row: <$database as Database>::Row) -> sqlx::Result<CouponRow> {
                Ok(CouponRow {
                    id: row.try_get("id")?,
                    template: row.try_get("template")?,
                    holder: row.try_get("holder")?,
                    order: row.try_get("order_ref")?,
                    given_back: row.try_get("given_back")?,
                    claimed_ms: row.try_get("claimed_ms")?,
                    from_ms: row.try_get("from_ms")?,
                    until_ms: row.try_get("until_ms")?,
                })
            }

            type Conn = <$database as Database>::Connection;

            #[async_trait]
            impl Dialect for $database {
                const BEGIN: &'static str = $begin;

                async fn migrate(pool: &Pool<Self>) -> sqlx::Result<()> {
                    let mut tx = super::begin(pool, $migrate).await?;
                    sqlx::raw_sql(sql!("0001_rules")).execute(&mut *tx).await?;
                    tx.commit().await
                }

                async fn put_template(
                    conn: &mut Conn,
                    id: &str,
                    document: &str,
                    total: Option<i64>,
                ) -> sqlx::Result<()> {
                    let query = sqlx::query(sql!("template_put")).bind(id).bind(document).bind(total);
                    query.execute(conn).await.map(drop)
                }

                async fn template(conn: &mut Conn, id: &str) -> sqlx::Result<Option<(String, i64)>> {
                    sqlx::query_as(sql!("template_get")).bind(id).fetch_optional(conn).await
                }

                async fn take(conn: &mut Conn, template: &str) -> sqlx::Result<u64> {
                    let done = sqlx::query(sql!("template_take")).bind(template).execute(conn).await?;
                    Ok(done.rows_affected())
                }

                async fn coupon(conn: &mut Conn, id: &str) -> sqlx::Result<Option<CouponRow>> {
                    sqlx::query(sql!("coupon_get")).bind(id).try_map(row).fetch_optional(conn).await
                }

                async fn coupons(conn: &mut Conn, holder: &str) -> sqlx::Result<Vec<CouponRow>> {
                    sqlx::query(sql!("coupon_list")).bind(holder).try_map(row).fetch_all(conn).await
                }

                async fn count(conn: &mut Conn, template: &str, holder: &str) -> sqlx::Result<i64> {
                    sqlx::query_scalar(sql!("coupon_count")).bind(template).bind(holder).fetch_one(conn).await
                }

                async fn insert(conn: &mut Conn, row: &CouponRow) -> sqlx::Result<()> {
                    let query = sqlx::query(sql!("coupon_insert")).bind(&row.id).bind(&row.template).bind(&row.holder);
                    query.bind(row.claimed_ms).bind(row.from_ms).bind(row.until_ms).execute(conn).await.map(drop)
                }

                async fn redeem(conn: &mut Conn, id: &str, holder: &str, order: &str, now: i64) -> sqlx::Result<u64> {
                    let query = sqlx::query(sql!("coupon_redeem")).bind(order).bind(id).bind(holder).bind(order);
                    Ok(query.bind(now).bind(now).execute(conn).await?.rows_affected())
                }

                async fn give_back(conn: &mut Conn, id: &str, order: &str) -> sqlx::Result<u64> {
                    let query = sqlx::query(sql!("coupon_give_back")).bind(order).bind(id).bind(order);
                    Ok(query.execute(conn).await?.rows_affected())
                }

                async fn next_version(conn: &mut Conn, name: &str) -> sqlx::Result<i64> {
                    sqlx::query_scalar(sql!("document_next")).bind(name).fetch_one(conn).await
                }

                async fn put_document(
                    conn: &mut Conn,
                    name: &str,
                    version: i64,
                    (format, text): (&str, &str),
                    now: i64,
                ) -> sqlx::Result<()> {
                    let query = sqlx::query(sql!("document_insert")).bind(name).bind(version).bind(format);
                    query.bind(text).bind(now).execute(conn).await.map(drop)
                }

                async fn document(
                    conn: &mut Conn,
                    name: &str,
                    version: i64,
                ) -> sqlx::Result<Option<(String, Option<String>)>> {
                    sqlx::query_as(sql!("document_get")).bind(name).bind(version).fetch_optional(conn).await
                }

                async fn versions(conn: &mut Conn, name: &str) -> sqlx::Result<Vec<i64>> {
                    sqlx::query_scalar(sql!("document_list")).bind(name).fetch_all(conn).await
                }

                async fn active(conn: &mut Conn, name: &str) -> sqlx::Result<Option<i64>> {
                    sqlx::query_scalar(sql!("active_get")).bind(name).fetch_optional(conn).await
                }

                async fn activate(conn: &mut Conn, name: &str, version: i64) -> sqlx::Result<()> {
                    sqlx::query(sql!("active_put")).bind(name).bind(version).execute(conn).await.map(drop)
                }

                async fn activate_after(
                    conn: &mut Conn,
                    name: &str,
                    version: i64,
                    known: Option<i64>,
                ) -> sqlx::Result<u64> {
                    let query = match known {
                        None => sqlx::query(sql!("active_first")).bind(name).bind(version),
                        Some(known) => sqlx::query(sql!("active_replace")).bind(version).bind(name).bind(known),
                    };
                    Ok(query.execute(conn).await?.rows_affected())
                }
            }
        };
    };
}

// SQLite cannot turn a reading transaction into a writing one while another writes.
#[cfg(feature = "sqlite")]
dialect!(sqlx::Sqlite, "sqlite", begin: "BEGIN IMMEDIATE", migrate: "BEGIN IMMEDIATE");
// Two processes that make the same table at once would collide; the lock is advisory and ends with the transaction.
#[cfg(feature = "postgres")]
dialect!(
    sqlx::Postgres,
    "postgres",
    begin: "BEGIN",
    migrate: "BEGIN; SELECT pg_advisory_xact_lock(3716203843049132617)"
);
// What is read after waiting for a row has to be what is committed then.
#[cfg(feature = "mysql")]
dialect!(
    sqlx::MySql,
    "mysql",
    begin: "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION",
    migrate: "START TRANSACTION"
);
