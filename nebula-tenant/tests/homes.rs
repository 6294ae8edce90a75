//! Tenants with a schema or a database of their own: the same API, and no way from one to the other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use nebula_tenant::db::{Databases, DbError, Schemas, TenantDatabase, TenantPool, query};
use nebula_tenant::registry::{Lifecycle, MemoryTenants, Tenant, TenantRegistry};
use nebula_tenant::wall::{RefusalKind, SqlDialect, Wall};
use nebula_tenant::{ErrorKind, TenantContext, TenantId, as_host};
use nebula_test_support::{mariadb_database, postgres_database};
use serde_json::{Value, json};
use sqlx::pool::PoolOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Row as _};

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

async fn platform<T>(work: impl Future<Output = T>) -> T {
    as_host("a test", work).await.unwrap()
}

fn apart<DB: TenantDatabase>() -> Wall {
    Wall::builder(DB::DIALECT).apart_table("notes").build().unwrap()
}

const TABLE: &str = "CREATE TABLE notes (id BIGINT NOT NULL PRIMARY KEY, text VARCHAR(80) NOT NULL)";

fn placed<DB: TenantDatabase>(sql: &str) -> String {
    if DB::DIALECT == SqlDialect::Postgres { sql.to_owned() } else { sql.replace("$1", "?").replace("$2", "?") }
}

/// What holds wherever tenants live. `pool` has few connections, so that they pass from tenant to tenant.
macro_rules! lives_apart {
    ($database:ty, $pool:expr) => {{
        let pool: TenantPool<$database> = $pool;
        let names = ["star", "moon", "sun-1", "sun-2"];
        for name in names {
            let tenant = tenant(name);
            platform(async {
                pool.create_schema(&tenant).await.unwrap();
                let mut transaction = pool.begin_as_host_of(&tenant).await.unwrap();
                sqlx::query(TABLE).execute(&mut **transaction).await.unwrap();
                transaction.commit().await.unwrap();
            })
            .await;
        }
        // The same texts by turns, so that a statement that was prepared for one would be another's.
        for round in 0..3_i64 {
            for name in names {
                let work = async {
                    let insert = placed::<$database>("INSERT INTO notes (id, text) VALUES ($1, $2)");
                    query(&insert).bind(round).bind(format!("{name} {round}")).execute(&pool).await.unwrap();
                    let rows = query("SELECT text FROM notes ORDER BY id").fetch_all(&pool).await.unwrap();
                    let texts: Vec<String> = rows.iter().map(|row| row.try_get("text").unwrap()).collect();
                    let expected: Vec<_> = (0..=round).map(|round| format!("{name} {round}")).collect();
                    assert_eq!(texts, expected);
                };
                TenantContext::of(tenant(name)).scope(work).await.unwrap();
            }
        }
        // Taken along, it is everything, and nobody else's.
        for name in names {
            let read = async { pool.export("notes").unwrap().try_collect::<Vec<_>>().await.unwrap().concat() };
            let lines = String::from_utf8(TenantContext::of(tenant(name)).scope(read).await.unwrap()).unwrap();
            let mut rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            rows.sort_by_key(|row| row["id"].as_i64());
            let expected = |round: i64| json!({ "id": round, "text": format!("{name} {round}") });
            assert_eq!(rows, (0..3).map(expected).collect::<Vec<_>>());
        }
        // At once, with panics and cancellations in between.
        let mut requests = tokio::task::JoinSet::new();
        for number in 0..80_i64 {
            let pool = pool.clone();
            let name = names[number as usize % names.len()];
            requests.spawn(TenantContext::of(tenant(name)).scope(async move {
                let mut transaction = pool.begin().await.unwrap();
                let insert = placed::<$database>("INSERT INTO notes (id, text) VALUES ($1, $2)");
                query(&insert).bind(100 + number).bind("gone").execute(&mut transaction).await.unwrap();
                match number % 4 {
                    1 => panic!("a request that panics"),
                    2 => drop(tokio::time::timeout(Duration::from_millis(20), std::future::pending::<()>()).await),
                    _ => {
                        let rows = query("SELECT text FROM notes WHERE id < 100").fetch_all(&mut transaction).await.unwrap();
                        for row in &rows {
                            let text: String = row.try_get("text").unwrap();
                            assert_eq!(text.split(' ').next(), Some(name), "somebody else's row");
                        }
                        assert_eq!(rows.len(), 3);
                    }
                }
                transaction.rollback().await.unwrap();
            }));
        }
        let mut panicked = 0;
        while let Some(done) = requests.join_next().await {
            match done {
                Ok(done) => done.unwrap(),
                Err(error) if error.to_string().contains("a request that panics") => panicked += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(panicked, 20);
        // Where nobody lives, and in nobody's name.
        let nobody = TenantContext::of(tenant("nobody")).scope(query("SELECT text FROM notes").fetch_all(&pool)).await.unwrap();
        assert!(matches!(nobody, Err(DbError::Database(_))), "{nobody:?}");
        let unnamed = query("SELECT text FROM notes").fetch_all(&pool).await;
        assert!(matches!(unnamed, Err(DbError::Tenant(error)) if error.kind() == ErrorKind::NoTenant));
        // Around the wall.
        for (sql, kind) in [
            ("SELECT * FROM moon.notes", RefusalKind::Table),
            ("SELECT * FROM t_moon.notes", RefusalKind::Table),
            ("SET search_path TO t_moon", RefusalKind::Construct),
            ("USE t_moon", RefusalKind::Construct),
            ("SELECT * FROM sqlite_master", RefusalKind::Table),
        ] {
            let refused = TenantContext::of(tenant("star")).scope(query::<$database>(sql).execute(&pool)).await.unwrap();
            assert!(matches!(&refused, Err(DbError::Refused(refusal)) if refusal.kind() == kind), "{sql}: {refused:?}");
        }
        platform(pool.drop_schema(&tenant("sun-1"))).await.unwrap();
        pool
    }};
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn schemas_of_postgres() {
    let few = PoolOptions::new().max_connections(2).acquire_timeout(Duration::from_secs(120));
    let plain: sqlx::PgPool = few.connect(&postgres_database().await).await.unwrap();
    // Whoever has no schema must not fall into the one that all have.
    sqlx::query(TABLE).execute(&plain).await.unwrap();
    let schemas = Schemas::with_prefix("t_").unwrap().with_shared("public").unwrap();
    let pool =
        lives_apart!(sqlx::Postgres, TenantPool::schemas(plain.clone(), schemas, apart::<sqlx::Postgres>()).unwrap());
    let path: String = sqlx::query_scalar("SHOW search_path").fetch_one(&plain).await.unwrap();
    assert!(!path.contains("t_"), "{path} was left on a connection");
    let sun = TenantContext::of(tenant("sun-1")).scope(query("SELECT text FROM notes").fetch_all(&pool)).await.unwrap();
    assert!(matches!(sun, Err(DbError::Database(_))), "its schema was dropped, and it must not see the shared one's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn schemas_of_mariadb() {
    let few = PoolOptions::new().max_connections(2).acquire_timeout(Duration::from_secs(120));
    let url = mariadb_database().await;
    let plain: sqlx::MySqlPool = few.connect(&url).await.unwrap();
    let database: String = sqlx::query_scalar("SELECT DATABASE()").fetch_one(&plain).await.unwrap();
    let prefix = format!("{}_", database.to_lowercase().replace(|letter: char| !letter.is_ascii_alphanumeric(), "_"));
    let schemas = Schemas::with_prefix(&prefix).unwrap();
    let pool = lives_apart!(sqlx::MySql, TenantPool::schemas(plain, schemas, apart::<sqlx::MySql>()).unwrap());
    for name in ["star", "moon", "sun-2"] {
        platform(pool.drop_schema(&tenant(name))).await.unwrap();
    }
}

fn files(folder: &std::path::Path) -> Databases<sqlx::Sqlite> {
    let folder = folder.to_owned();
    Databases::new(move |tenant| {
        Ok(SqliteConnectOptions::new()
            .filename(folder.join(format!("{tenant}.db")))
            .create_if_missing(true)
            .busy_timeout(Duration::from_secs(120)))
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn databases_of_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let databases = files(folder.path()).with_connections(2).with_each(1).with_patience(Duration::from_secs(120));
    let pool = lives_apart!(sqlx::Sqlite, TenantPool::databases(databases.clone(), apart::<sqlx::Sqlite>()).unwrap());
    assert!(databases.connections() <= 2 && databases.pools() <= 2, "{databases:?}");
    drop(pool);
}

#[tokio::test]
async fn databases_of_postgres() {
    let admin = sqlx::PgPool::connect(&postgres_database().await).await.unwrap();
    let base: String = sqlx::query_scalar("SELECT current_database()::text").fetch_one(&admin).await.unwrap();
    for name in ["star", "moon", "sun-1", "sun-2"] {
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE \"{base}_{name}\""))).execute(&admin).await.unwrap();
    }
    let options = admin.connect_options().as_ref().clone();
    let named = base.clone();
    let databases = Databases::new(move |tenant| Ok(options.clone().database(&format!("{named}_{tenant}"))));
    let databases = databases.with_connections(4).with_each(2).with_patience(Duration::from_secs(120));
    let pool =
        lives_apart!(sqlx::Postgres, TenantPool::databases(databases.clone(), apart::<sqlx::Postgres>()).unwrap());
    let host = platform(async { pool.as_host().map(drop) }).await;
    assert_eq!(host.unwrap_err().kind(), ErrorKind::Config, "there is no pool of all");
    let own = platform(pool.as_host_of(&tenant("moon"))).await.unwrap();
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM notes").fetch_one(&*own).await.unwrap();
    assert_eq!(rows, 3);
    assert!(databases.connections() <= 4);
}

#[tokio::test]
async fn pools_are_closed_for_others_and_whoever_finds_none_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let databases = files(folder.path()).with_connections(2).with_each(1).with_patience(Duration::from_millis(300));
    let pool = TenantPool::databases(databases.clone(), apart::<sqlx::Sqlite>()).unwrap();
    let begin = |name: &'static str| TenantContext::of(tenant(name)).scope(pool.begin());
    let (first, second) = (begin("a").await.unwrap().unwrap(), begin("b").await.unwrap().unwrap());
    let third = begin("c").await.unwrap();
    assert!(matches!(third, Err(DbError::Database(sqlx::Error::PoolTimedOut))), "{third:?}");
    drop(second);
    let third = begin("c").await.unwrap().unwrap();
    assert_eq!(databases.pools(), 2, "that of `b` was closed for it");
    drop((first, third));
    databases.close_idle();
    assert_eq!(databases.pools(), 2, "they were used a moment ago");
}

#[tokio::test]
async fn walls_fit_the_homes_that_they_stand_before() {
    let folder = tempfile::tempdir().unwrap();
    let memory = || async { sqlx::SqlitePool::connect("sqlite::memory:").await.unwrap() };
    let fenced = || Wall::builder(SqlDialect::Sqlite).tenant_table("notes").build().unwrap();
    let schemas = Schemas::with_prefix("t_").unwrap();
    for wrong in [
        TenantPool::new(memory().await, apart::<sqlx::Sqlite>()),
        TenantPool::databases(files(folder.path()), fenced()),
        TenantPool::schemas(memory().await, schemas, apart::<sqlx::Sqlite>()),
        TenantPool::new(memory().await, fenced()).unwrap().with_row_level_security(),
    ] {
        assert_eq!(wrong.unwrap_err().kind(), ErrorKind::Config);
    }
    let both = Wall::builder(SqlDialect::Sqlite).tenant_table("notes").apart_table("halls").build();
    assert_eq!(both.unwrap_err().kind(), ErrorKind::Config);
}

/// What a tenant takes along of shared tables: all of its rows with all kinds of values, and no others.
macro_rules! taken_along {
    ($name:ident, $database:ty, $url:expr, $bytes:literal, $decimal:literal) => {
        #[tokio::test]
        async fn $name() {
            let one = PoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(120));
            let plain: sqlx::Pool<$database> = one.connect($url).await.unwrap();
            let table = format!(
                "CREATE TABLE tickets (tenant_id VARCHAR(63) NOT NULL, id BIGINT NOT NULL, price {}, scan {}, words VARCHAR(200), \
                 paid BOOLEAN, PRIMARY KEY (tenant_id, id))",
                $decimal, $bytes
            );
            for statement in [table.as_str(), "CREATE TABLE currencies (code VARCHAR(3))"] {
                sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&plain).await.unwrap();
            }
            let wall = Wall::builder(<$database>::DIALECT).tenant_table("tickets").shared_table("currencies");
            let pool = TenantPool::new(plain, wall.build().unwrap()).unwrap();
            let words = "她说 \"好\"\n\\ O'Brien";
            let insert = "INSERT INTO tickets (id, price, scan, words, paid) VALUES (?, 19.9, ?, ?, ?)";
            let insert = match <$database>::DIALECT {
                SqlDialect::Postgres => insert.replacen("?, 19", "$1, 19", 1).replacen("?, ?, ?)", "$2, $3, $4)", 1),
                _ => insert.to_owned(),
            };
            for name in ["star", "moon"] {
                let work = async {
                    let full = query(&insert).bind(1_i64).bind(Some(vec![0_u8, 255])).bind(Some(words)).bind(Some(true));
                    full.execute(&pool).await.unwrap();
                    for id in 2..=1_000_i64 {
                        let empty = query(&insert).bind(id).bind(None::<Vec<u8>>).bind(None::<&str>).bind(None::<bool>);
                        empty.execute(&pool).await.unwrap();
                    }
                };
                TenantContext::of(tenant(name)).scope(work).await.unwrap();
            }
            let registry = TenantRegistry::new(MemoryTenants::new());
            let lifecycle = Lifecycle::builder(registry).tables(&pool).build();
            let _ = platform(lifecycle.create(Tenant::new(tenant("star")))).await.unwrap();
            let mut sink = BTreeMap::new();
            platform(lifecycle.export(&tenant("star"), &mut sink)).await.unwrap();
            assert_eq!(sink.keys().collect::<Vec<_>>(), ["tenant.json", "tickets.jsonl"], "what all share is nobody's");
            let lines = std::str::from_utf8(&sink["tickets.jsonl"]).unwrap();
            let mut rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            rows.sort_by_key(|row| row["id"].as_i64());
            assert!(rows.len() == 1_000 && rows.iter().all(|row| row["tenant_id"] == "star"));
            assert_eq!((&rows[0]["scan"], &rows[0]["words"]), (&json!("\\x00ff"), &json!(words)));
            assert!(rows[0]["price"].as_f64().unwrap() == 19.9 && (rows[0]["paid"] == true || rows[0]["paid"] == 1));
            assert!(rows[1]["scan"].is_null() && rows[1]["words"].is_null() && rows[1]["paid"].is_null());
            let refused = |table: &'static str| TenantContext::of(tenant("star")).sync_scope(|| pool.export(table).map(drop));
            for table in ["currencies", "tickets; DROP TABLE tickets", "nothing"] {
                assert_eq!(refused(table).unwrap().unwrap_err().kind(), ErrorKind::Config);
            }
            assert_eq!(pool.export("tickets").map(drop).unwrap_err().kind(), ErrorKind::NoTenant);
            platform(async { sqlx::query("DROP TABLE tickets").execute(pool.as_host().unwrap()).await.unwrap() }).await;
            assert!(platform(lifecycle.export(&tenant("star"), &mut sink)).await.is_err(), "no end without all rows");
        }
    };
}

taken_along!(sqlite_takes_along, sqlx::Sqlite, "sqlite::memory:", "BLOB", "NUMERIC");
taken_along!(postgres_takes_along, sqlx::Postgres, &postgres_database().await, "BYTEA", "NUMERIC(10, 2)");
taken_along!(mariadb_takes_along, sqlx::MySql, &mariadb_database().await, "BLOB", "DECIMAL(10, 2)");
