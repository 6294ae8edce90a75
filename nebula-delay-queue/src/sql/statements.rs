//! The statements that all databases have in common, from the files in the folder of each.

macro_rules! statements {
    ($database:ty, $folder:literal) => {
        #[async_trait]
        impl Statements for $database {
            async fn insert_one(
                connection: &mut Self::Connection,
                queue: &str,
                row: &NewRow<'_>,
            ) -> sqlx::Result<bool> {
                let query = sqlx::query(include_str!(concat!($folder, "/insert_one.sql"))).bind(queue).bind(row.id);
                let query = query.bind(row.rank).bind(row.due_ms).bind(&row.envelope).bind(row.body);
                match query.execute(connection).await {
                    Ok(done) => Ok(done.rows_affected() > 0),
                    // MySQL has no `ON CONFLICT DO NOTHING`. A statement that fails there leaves the transaction intact.
                    Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
                    Err(error) => Err(error),
                }
            }

            async fn cancel(connection: &mut Self::Connection, queue: &str, id: &str, now: i64) -> sqlx::Result<u64> {
                let query = sqlx::query(include_str!(concat!($folder, "/cancel.sql")));
                Ok(query.bind(queue).bind(id).bind(now).execute(connection).await?.rows_affected())
            }

            async fn reschedule(
                connection: &mut Self::Connection,
                queue: &str,
                id: &str,
                now: i64,
                due: i64,
            ) -> sqlx::Result<u64> {
                let query = sqlx::query(include_str!(concat!($folder, "/reschedule.sql")));
                Ok(query.bind(queue).bind(id).bind(now).bind(due).execute(connection).await?.rows_affected())
            }

            async fn replay(connection: &mut Self::Connection, queue: &str, id: &str, now: i64) -> sqlx::Result<u64> {
                let query = sqlx::query(include_str!(concat!($folder, "/replay.sql")));
                Ok(query.bind(queue).bind(id).bind(now).execute(connection).await?.rows_affected())
            }

            async fn purge(connection: &mut Self::Connection, queue: &str, id: Option<&str>) -> sqlx::Result<u64> {
                let query = sqlx::query(include_str!(concat!($folder, "/purge.sql")));
                Ok(query.bind(queue).bind(id).execute(connection).await?.rows_affected())
            }

            async fn dead(
                connection: &mut Self::Connection,
                queue: &str,
                limit: i64,
                skip: i64,
            ) -> sqlx::Result<Vec<DeadRow>> {
                let query = sqlx::query(include_str!(concat!($folder, "/dead.sql")));
                query.bind(queue).bind(limit).bind(skip).try_map(dead_row).fetch_all(connection).await
            }

            async fn stats(connection: &mut Self::Connection, queue: &str, now: i64) -> sqlx::Result<Counts> {
                let query = sqlx::query_as(include_str!(concat!($folder, "/stats.sql")));
                query.bind(queue).bind(now).bind(overdue_ms(now)).fetch_one(connection).await
            }

            async fn queues(connection: &mut Self::Connection) -> sqlx::Result<Vec<String>> {
                sqlx::query_scalar(include_str!(concat!($folder, "/queues.sql"))).fetch_all(connection).await
            }

            async fn ping(connection: &mut Self::Connection) -> sqlx::Result<()> {
                connection.execute("SELECT 1 FROM nebula_delay_message LIMIT 1").await?;
                Ok(())
            }
        }

        fn content(row: &<$database as Database>::Row) -> sqlx::Result<Content> {
            Ok(Content {
                seq: row.try_get("seq")?,
                id: row.try_get("id")?,
                rank: row.try_get("rank")?,
                envelope: row.try_get("envelope")?,
                body: row.try_get("body")?,
            })
        }

        fn claimed_row(row: <$database as Database>::Row) -> sqlx::Result<ClaimedRow> {
            Ok(ClaimedRow {
                content: content(&row)?,
                due_ms: row.try_get("due_ms")?,
                ready_ms: row.try_get("ready_ms")?,
                attempts: row.try_get("attempts")?,
            })
        }

        fn dead_row(row: <$database as Database>::Row) -> sqlx::Result<DeadRow> {
            Ok(DeadRow {
                content: content(&row)?,
                attempts: row.try_get("attempts")?,
                last_error: row.try_get("last_error")?,
                died_ms: row.try_get("died_ms")?,
                reason: row.try_get("reason")?,
            })
        }
    };
}

/// The dialect of databases whose changes answer with rows (`RETURNING`), and whose tables change in transactions.
///
/// `$begin` takes a lock, so that of several processes that start at once, one migrates and the others wait, then find
/// nothing left to do.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
macro_rules! returning {
    ($database:ty, $folder:literal, remote: $remote:literal, writing: $writing:literal, begin: $begin:literal, $now:path) => {
        #[async_trait]
        impl Dialect for $database {
            const REMOTE: bool = $remote;
            const WRITING: &'static str = $writing;

            async fn migrate(pool: &Pool<Self>) -> sqlx::Result<()> {
                const MIGRATIONS: &[&str] = &[
                    include_str!(concat!($folder, "/0001_messages.sql")),
                    include_str!(concat!($folder, "/0002_marks.sql")),
                    include_str!(concat!($folder, "/0003_ledger.sql")),
                    include_str!(concat!($folder, "/0004_traces.sql")),
                ];
                let mut tx = pool.begin_with($begin).await?;
                sqlx::raw_sql(include_str!(concat!($folder, "/schema.sql"))).execute(&mut *tx).await?;
                let version: i64 = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM nebula_delay_schema")
                    .fetch_one(&mut *tx)
                    .await?;
                for migration in MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or(0)) {
                    sqlx::raw_sql(*migration).execute(&mut *tx).await?;
                }
                tx.commit().await
            }

            async fn now(connection: &mut Self::Connection) -> sqlx::Result<SystemTime> {
                $now(connection).await
            }

            async fn insert_many(
                connection: &mut Self::Connection,
                queue: &str,
                rows: &[NewRow<'_>],
            ) -> sqlx::Result<Vec<String>> {
                let query = sqlx::query_scalar(include_str!(concat!($folder, "/insert_many.sql")));
                query.bind(queue).bind(batch(rows)?).fetch_all(connection).await
            }

            async fn next(connection: &mut Self::Connection, queue: &str) -> sqlx::Result<Option<i64>> {
                let query = sqlx::query_scalar(include_str!(concat!($folder, "/next.sql")));
                query.bind(queue).fetch_one(connection).await
            }

            async fn peek(
                connection: &mut Self::Connection,
                queue: &str,
                now: i64,
                limit: i64,
            ) -> sqlx::Result<Vec<(String, i64)>> {
                let query = sqlx::query_as(include_str!(concat!($folder, "/peek.sql")));
                query.bind(queue).bind(now).bind(limit).fetch_all(connection).await
            }

            async fn claim(connection: &mut Self::Connection, claim: Claim<'_>) -> sqlx::Result<Vec<ClaimedRow>> {
                let query = sqlx::query(include_str!(concat!($folder, "/claim.sql"))).bind(claim.queue).bind(claim.now);
                let query = query.bind(claim.limit).bind(claim.end).bind(claim.token);
                query.try_map(claimed_row).fetch_all(connection).await
            }

            async fn settle(
                connection: &mut Self::Connection,
                settling: Settling,
                queue: &str,
                rows: &str,
                time: Option<i64>,
            ) -> sqlx::Result<Vec<String>> {
                let sql = match settling {
                    Settling::Ack => include_str!(concat!($folder, "/ack.sql")),
                    Settling::Retry => include_str!(concat!($folder, "/retry.sql")),
                    Settling::Extend => include_str!(concat!($folder, "/extend.sql")),
                    Settling::Bury => include_str!(concat!($folder, "/bury.sql")),
                };
                let query = sqlx::query_scalar(sql).bind(queue).bind(rows);
                let query = if let Some(time) = time { query.bind(time) } else { query };
                query.fetch_all(connection).await
            }
        }
    };
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(super) use returning;
pub(super) use statements;
