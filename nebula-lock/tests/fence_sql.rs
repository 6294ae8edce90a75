//! The fence in SQL, on SQLite, MariaDB and PostgreSQL, with writers that hold old and new tokens at the same time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

/// The same tests for each engine: `$pool` is its pool, `$admission` the statements, `$mark` turns a number into a
/// placeholder.
macro_rules! on {
    ($engine:ident, $pool:ty, $database:ty, $sql:expr, $mark:expr, $connect:expr) => {
        mod $engine {
            use std::time::Duration;

            use nebula_lock::{Fence, FenceSql, LockKey};
            use rand::seq::SliceRandom;
            use sqlx::{AssertSqlSafe, Transaction};
            use tokio::time::{sleep, timeout};

            const FENCE: FenceSql = $sql;
            const PATIENCE: Duration = Duration::from_secs(60);

            /// Replaces each `?` by what the engine writes for it.
            fn sql(text: &str) -> AssertSqlSafe<String> {
                let mark: fn(usize) -> String = $mark;
                let mut parts = text.split('?');
                let mut whole = parts.next().unwrap().to_owned();
                for (place, part) in parts.enumerate() {
                    whole += &mark(place + 1);
                    whole += part;
                }
                AssertSqlSafe(whole)
            }

            async fn start() -> (tempfile::TempDir, $pool) {
                let folder = tempfile::tempdir().unwrap();
                let pool: $pool = $connect(folder.path().to_owned()).await;
                for statement in [
                    FENCE.table(),
                    FENCE.table(),
                    "CREATE TABLE written (place BIGINT NOT NULL, token BIGINT NOT NULL)",
                    "CREATE TABLE seat (id BIGINT PRIMARY KEY, holder BIGINT NOT NULL, fence BIGINT NOT NULL)",
                    "INSERT INTO seat (id, holder, fence) VALUES (1, 0, 0)",
                ] {
                    sqlx::query(statement).execute(&pool).await.unwrap();
                }
                (folder, pool)
            }

            async fn admit(tx: &mut Transaction<'_, $database>, resource: &str, fence: Fence) -> sqlx::Result<bool> {
                sqlx::query(FENCE.admit()).bind(resource).bind(fence.to_i64()).execute(&mut **tx).await?;
                let newest: i64 = sqlx::query_scalar(FENCE.newest()).bind(resource).fetch_one(&mut **tx).await?;
                Ok(newest == fence.to_i64())
            }

            /// Writes under the token, or rolls back.
            async fn write(pool: &$pool, resource: &str, token: u64) -> bool {
                let mut tx = pool.begin().await.unwrap();
                if !admit(&mut tx, resource, Fence::new(token)).await.unwrap() {
                    tx.rollback().await.unwrap();
                    return false;
                }
                let place: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM written").fetch_one(&mut *tx).await.unwrap();
                let insert = sqlx::query(sql("INSERT INTO written (place, token) VALUES (?, ?)"));
                insert.bind(place).bind(Fence::new(token).to_i64()).execute(&mut *tx).await.unwrap();
                tx.commit().await.unwrap();
                true
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn older_tokens_are_refused_and_others_are_not() {
                let (_folder, pool) = start().await;
                assert!(write(&pool, "a", 34).await, "the first one");
                assert!(!write(&pool, "a", 33).await, "an older one");
                assert!(write(&pool, "a", 34).await, "the same one again");
                assert!(write(&pool, "b", 1).await, "another resource");
                assert!(write(&pool, "A", 2).await, "names are compared byte by byte");
                assert!(write(&pool, "a", u64::try_from(i64::MAX).unwrap()).await, "the greatest");
                assert!(!write(&pool, "a", 35).await);
                // As long as keys can be, with many bytes to a character and with one.
                for character in ["x", "\u{e9}", "\u{1f39f}"] {
                    let long = LockKey::new(character.repeat(LockKey::MAX_BYTES / character.len())).unwrap();
                    let mut twin = long.to_string();
                    twin.pop();
                    assert!(write(&pool, long.as_str(), 34).await && write(&pool, &twin, 7).await, "{character}");
                    assert!(!write(&pool, long.as_str(), 33).await, "{character}: no part of it is cut off");
                }
                let mut tx = pool.begin().await.unwrap();
                assert!(admit(&mut tx, "c", Fence::new(0)).await.is_err(), "nothing is no token");
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn nothing_gets_in_between_the_check_and_the_writes() {
                let (_folder, pool) = start().await;
                // The newer one has been admitted and not yet committed: the older one waits for it, and is refused.
                let mut newer = pool.begin().await.unwrap();
                assert!(admit(&mut newer, "a", Fence::new(34)).await.unwrap());
                let older = tokio::spawn({
                    let pool = pool.clone();
                    async move { write(&pool, "a", 33).await }
                });
                sleep(Duration::from_millis(200)).await;
                assert!(!older.is_finished(), "nobody can tell yet");
                newer.commit().await.unwrap();
                assert!(!timeout(PATIENCE, older).await.unwrap().unwrap());
                // It was admitted and is rolled back: it never was.
                let mut newest = pool.begin().await.unwrap();
                assert!(admit(&mut newest, "a", Fence::new(36)).await.unwrap());
                let newer = tokio::spawn({
                    let pool = pool.clone();
                    async move { write(&pool, "a", 35).await }
                });
                sleep(Duration::from_millis(200)).await;
                newest.rollback().await.unwrap();
                assert!(timeout(PATIENCE, newer).await.unwrap().unwrap());
                // The older one has been admitted: the newer one waits until it has written.
                let mut older = pool.begin().await.unwrap();
                assert!(admit(&mut older, "a", Fence::new(37)).await.unwrap());
                let newer = tokio::spawn({
                    let pool = pool.clone();
                    async move { write(&pool, "a", 38).await }
                });
                sleep(Duration::from_millis(200)).await;
                assert!(!newer.is_finished(), "the older one is still at work");
                older.commit().await.unwrap();
                assert!(timeout(PATIENCE, newer).await.unwrap().unwrap());
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn of_many_writers_at_once_none_follows_a_newer_one() {
                let (_folder, pool) = start().await;
                let mut tokens: Vec<u64> = (1..=60).collect();
                tokens.shuffle(&mut rand::rng());
                let writers: Vec<_> = tokens
                    .into_iter()
                    .map(|token| {
                        let pool = pool.clone();
                        tokio::spawn(async move { (token, write(&pool, "a", token).await) })
                    })
                    .collect();
                let mut refused = 0;
                for writer in writers {
                    let (token, admitted) = timeout(PATIENCE, writer).await.unwrap().unwrap();
                    assert!(admitted || token < 60, "nothing is newer than the newest");
                    refused += usize::from(!admitted);
                }
                let written: Vec<i64> =
                    sqlx::query_scalar("SELECT token FROM written ORDER BY place").fetch_all(&pool).await.unwrap();
                assert_eq!(written.len() + refused, 60);
                assert!(written.windows(2).all(|pair| pair[0] < pair[1]), "{written:?}");
                assert_eq!(written.last(), Some(&60));
                assert!(refused > 0, "the shuffled order leaves some behind");
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn a_column_in_the_row_is_enough_for_one_row() {
                let (_folder, pool) = start().await;
                let update = async |pool: &$pool, token: i64, holder: i64| {
                    let update = "UPDATE seat SET holder = ?, fence = ? WHERE id = 1 AND fence <= ?";
                    let update = sqlx::query(sql(update)).bind(holder).bind(token).bind(token);
                    update.execute(pool).await.unwrap().rows_affected() == 1
                };
                assert!(update(&pool, 34, 7).await);
                assert!(!update(&pool, 33, 8).await);
                assert!(update(&pool, 34, 7).await, "the same write again");
                let writers: Vec<_> = (0..40_i64)
                    .map(|number| {
                        let pool = pool.clone();
                        tokio::spawn(async move { update(&pool, 100 + (number * 7) % 40, number).await })
                    })
                    .collect();
                let mut admitted = Vec::new();
                for (number, writer) in writers.into_iter().enumerate() {
                    if timeout(PATIENCE, writer).await.unwrap().unwrap() {
                        admitted.push(number);
                    }
                }
                let row = "SELECT holder, fence FROM seat WHERE id = 1";
                let (holder, fence): (i64, i64) = sqlx::query_as(row).fetch_one(&pool).await.unwrap();
                assert_eq!(fence, 139);
                assert_eq!((holder * 7) % 40, 39, "what the newest one wrote");
                assert!(admitted.contains(&usize::try_from(holder).unwrap()));
            }
        }
    };
}

on!(
    sqlite,
    sqlx::SqlitePool,
    sqlx::Sqlite,
    FenceSql::SQLITE,
    |_| "?".to_owned(),
    async |folder: std::path::PathBuf| {
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(folder.join("fence.db"))
            .create_if_missing(true)
            .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
            .busy_timeout(PATIENCE);
        sqlx::sqlite::SqlitePoolOptions::new().max_connections(8).connect_with(options).await.unwrap()
    }
);

on!(mariadb, sqlx::MySqlPool, sqlx::MySql, FenceSql::MYSQL, |_| "?".to_owned(), async |_| {
    let url = nebula_test_support::mariadb_database().await;
    sqlx::mysql::MySqlPoolOptions::new().max_connections(8).connect(&url).await.unwrap()
});

on!(postgres, sqlx::PgPool, sqlx::Postgres, FenceSql::POSTGRES, |place| format!("${place}"), async |_| {
    let url = nebula_test_support::postgres_database().await;
    sqlx::postgres::PgPoolOptions::new().max_connections(8).connect(&url).await.unwrap()
});
