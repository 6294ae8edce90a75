//! Interleaved work of many tenants over few connections, with panics, cancellations and time-outs in between.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::time::Duration;

use nebula_tenant::db::{DbError, Gap, TenantDatabase, TenantPool, query, rls};
use nebula_tenant::wall::Wall;
use nebula_tenant::{ErrorKind, TenantContext, TenantId, as_host};
use nebula_test_support::{PgBouncer, mariadb_database, postgres_database};
use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, PgPool, Pool, Row as _};

#[path = "isolation/labels.rs"]
mod labels;
#[path = "isolation/leaks.rs"]
mod leaks;
#[path = "isolation/sea.rs"]
mod sea;
#[path = "isolation/siblings.rs"]
mod siblings;

use siblings::Siblings;

const TENANTS: usize = 50;
const REQUESTS: usize = 1000;

fn tenant(number: usize) -> TenantId {
    format!("tenant-{}", number % TENANTS).parse().unwrap()
}

const TABLE: &str = "CREATE TABLE notes (tenant_id VARCHAR(63) NOT NULL, id BIGINT NOT NULL, text VARCHAR(80) NOT NULL, \
                     PRIMARY KEY (tenant_id, id))";

fn wall<DB: TenantDatabase>() -> Wall {
    Wall::builder(DB::DIALECT).tenant_table("notes").build().unwrap()
}

macro_rules! isolation {
    ($module:ident, $database:ty, $options:expr, $prepare:expr) => {
        mod $module {
            use super::*;

            async fn notes(pool: &TenantPool<$database>) -> Result<Vec<String>, DbError> {
                let rows = query("SELECT text FROM notes").fetch_all(pool).await?;
                rows.iter().map(|row| Ok(row.try_get("text")?)).collect()
            }

            /// One request: it writes, looks, and ends in one of the ways in which requests end.
            async fn request(pool: TenantPool<$database>, siblings: Siblings, number: usize) -> Result<(), DbError> {
                let me = nebula_tenant::current()?.to_string();
                siblings.visit(number).await;
                let id = number as i64;
                let mut transaction = pool.begin().await?;
                query("INSERT INTO notes (id, text) VALUES ($1, $2)".replace_placeholders::<$database>().as_str())
                    .bind(id)
                    .bind(format!("{me} {number}"))
                    .execute(&mut transaction)
                    .await?;
                if number % 5 == 1 {
                    panic!("a request that panics");
                }
                if number % 5 == 2 {
                    // Cancelled by its time-out, in the middle of a transaction.
                    std::future::pending::<()>().await;
                }
                let rows = query("SELECT text FROM notes").fetch_all(&mut transaction).await?;
                assert!(!rows.is_empty());
                for row in &rows {
                    let text: String = row.try_get("text")?;
                    assert_eq!(text.split(' ').next(), Some(me.as_str()), "somebody else's row");
                }
                match number % 5 {
                    3 => transaction.rollback().await?,
                    _ => transaction.commit().await?,
                }
                assert!(notes(&pool).await?.iter().all(|text| text.split(' ').next() == Some(me.as_str())));
                Ok(())
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn nobody_sees_anybody_else() {
                labels::listen();
                let four = PoolOptions::new().max_connections(4).acquire_timeout(Duration::from_secs(120));
                let plain: Pool<$database> = four.connect_with($options).await.unwrap();
                let pool: TenantPool<$database> = $prepare(plain).await;
                let (siblings, worker) = Siblings::of((0..TENANTS).map(tenant)).await;
                let mut requests = tokio::task::JoinSet::new();
                for number in 0..REQUESTS {
                    let (pool, siblings) = (pool.clone(), siblings.clone());
                    let work = TenantContext::of(tenant(number)).scope(request(pool, siblings, number));
                    let patience = Duration::from_millis(if number % 5 == 2 { 400 } else { 120_000 });
                    requests.spawn(async move { tokio::time::timeout(patience, work).await });
                }
                let (mut done, mut panicked, mut late) = (0, 0, 0);
                while let Some(request) = requests.join_next().await {
                    match request {
                        Ok(Ok(result)) => {
                            result.unwrap().unwrap();
                            done += 1;
                        }
                        Ok(Err(_)) => late += 1,
                        Err(error) if error.is_panic() => panicked += 1,
                        Err(error) => panic!("{error}"),
                    }
                }
                assert_eq!((done, panicked, late), (REQUESTS * 3 / 5, REQUESTS / 5, REQUESTS / 5));
                let whole = (0..TENANTS).filter(|number| number % 5 != 2);
                let whole = whole.map(|number| (tenant(number).to_string(), REQUESTS / TENANTS)).collect();
                siblings.settled(&whole, REQUESTS / TENANTS).await;
                labels::settled(whole.keys());
                worker.shutdown(Duration::from_secs(30)).await;
                // What was committed is there, once, for its tenant.
                for number in 0..TENANTS {
                    let seen = TenantContext::of(tenant(number)).scope(notes(&pool)).await.unwrap().unwrap();
                    let mut expected: Vec<_> = (0..REQUESTS)
                        .filter(|request| request % TENANTS == number && matches!(request % 5, 0 | 4))
                        .map(|request| format!("{} {request}", tenant(number)))
                        .collect();
                    let mut seen = seen;
                    expected.sort_unstable();
                    seen.sort_unstable();
                    assert_eq!(seen, expected);
                }
                assert!(matches!(notes(&pool).await, Err(DbError::Tenant(error)) if error.kind() == ErrorKind::NoTenant));
            }
        }
    };
}

/// MySQL and SQLite take `?`.
trait Placeholders {
    fn replace_placeholders<DB: TenantDatabase>(&self) -> String;
}

impl Placeholders for str {
    fn replace_placeholders<DB: TenantDatabase>(&self) -> String {
        match DB::DIALECT {
            nebula_tenant::wall::SqlDialect::Postgres => self.to_owned(),
            _ => self.replace("$1", "?").replace("$2", "?"),
        }
    }
}

async fn plain_table<DB: TenantDatabase>(pool: Pool<DB>) -> TenantPool<DB>
where
    for<'c> &'c Pool<DB>: sqlx::Executor<'c, Database = DB>,
    DB::Arguments: sqlx::IntoArguments<DB>,
{
    sqlx::query(TABLE).execute(&pool).await.unwrap();
    TenantPool::new(pool, wall::<DB>()).unwrap()
}

isolation!(mariadb, sqlx::MySql, mariadb_database().await.parse().unwrap(), plain_table);
isolation!(postgres, sqlx::Postgres, postgres_database().await.parse().unwrap(), plain_table);
isolation!(postgres_with_row_level_security, sqlx::Postgres, postgres_database().await.parse().unwrap(), second_wall);
isolation!(postgres_behind_a_pooler, sqlx::Postgres, postgres_database().await.parse().unwrap(), behind_pgbouncer);
isolation!(sqlite, sqlx::Sqlite, sqlite_file(), plain_table);

fn sqlite_file() -> SqliteConnectOptions {
    let folder = tempfile::tempdir().unwrap().keep();
    let options = SqliteConnectOptions::new().filename(folder.join("notes.db")).create_if_missing(true);
    // Writers queue behind requests that hang until they are cancelled.
    options.busy_timeout(Duration::from_secs(120))
}

/// The table under row-level security, and a pool of a role that it holds for. The pool of tests is a superuser's.
async fn second_wall(pool: PgPool) -> TenantPool<sqlx::Postgres> {
    let options = restricted(&pool).await;
    let own = PoolOptions::new().max_connections(4).acquire_timeout(Duration::from_secs(120));
    let own = own.connect_with(options).await.unwrap();
    TenantPool::new(own, wall::<sqlx::Postgres>()).unwrap().with_row_level_security().unwrap()
}

/// The same through PgBouncer: its two sessions go from transaction to transaction, whosever it is.
async fn behind_pgbouncer(pool: PgPool) -> TenantPool<sqlx::Postgres> {
    let options = restricted(&pool).await;
    let bouncer = PgBouncer::start(options.get_port(), options.get_username(), PASSWORD, 2).await;
    let options = options.port(bouncer.port()).ssl_mode(PgSslMode::Disable);
    let own = PoolOptions::new().max_connections(8).acquire_timeout(Duration::from_secs(120));
    let own = own.connect_with(options).await.unwrap();
    // It ends with this process.
    std::mem::forget(bouncer);
    let pool = TenantPool::new(own, wall::<sqlx::Postgres>()).unwrap().with_row_level_security().unwrap();
    pool.behind_pooler()
}

const PASSWORD: &str = "plain";

/// The table under row-level security, and how a role connects that it holds for.
async fn restricted(pool: &PgPool) -> PgConnectOptions {
    sqlx::query(TABLE).execute(pool).await.unwrap();
    for statement in rls::statements(&wall::<sqlx::Postgres>()) {
        sqlx::query(AssertSqlSafe(statement)).execute(pool).await.unwrap();
    }
    let database: String = sqlx::query_scalar("SELECT current_database()::text").fetch_one(pool).await.unwrap();
    let role = format!("tenants_{database}");
    let role_of = format!("CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'");
    for statement in [role_of, format!("GRANT ALL ON notes TO {role}")] {
        sqlx::query(AssertSqlSafe(statement)).execute(pool).await.unwrap();
    }
    pool.connect_options().as_ref().clone().username(&role).password(PASSWORD)
}

#[tokio::test]
async fn the_second_wall_holds_alone() {
    let admin = PgPool::connect(&postgres_database().await).await.unwrap();
    let pool = second_wall(admin.clone()).await;
    sqlx::query("INSERT INTO notes VALUES ('a', 1, 'of a'), ('b', 1, 'of b')").execute(&admin).await.unwrap();
    let find = as_host("look for gaps", rls::audit(&pool)).await.unwrap();
    assert_eq!(find.unwrap(), []);

    // Past the first wall, in the pool itself.
    let past = |tenant: &'static str| {
        let pool = pool.clone();
        as_host("past the wall", async move {
            let mut transaction = pool.as_host().unwrap().begin().await.unwrap();
            sqlx::query("SELECT set_config('nebula.tenant', $1, true)")
                .bind(tenant)
                .execute(&mut *transaction)
                .await
                .unwrap();
            let texts: Vec<String> =
                sqlx::query_scalar("SELECT text FROM notes").fetch_all(&mut *transaction).await.unwrap();
            let moved = sqlx::query("UPDATE notes SET tenant_id = 'b'").execute(&mut *transaction).await;
            drop(transaction);
            let left: Vec<String> =
                sqlx::query_scalar("SELECT text FROM notes").fetch_all(pool.as_host().unwrap()).await.unwrap();
            (texts, moved.is_err(), left)
        })
    };
    assert_eq!(past("a").await.unwrap(), (vec!["of a".to_owned()], true, vec![]));
    assert_eq!(past("").await.unwrap(), (vec![], false, vec![]), "nobody's transaction sees nothing");

    // What opens it is found.
    let gaps = async |statement: &'static str| {
        sqlx::query(statement).execute(&admin).await.unwrap();
        as_host("look for gaps", rls::audit(&pool)).await.unwrap().unwrap()
    };
    let table = || "notes".to_owned();
    assert_eq!(gaps("ALTER TABLE notes NO FORCE ROW LEVEL SECURITY").await, [Gap::NotForced(table())]);
    assert_eq!(gaps("ALTER TABLE notes FORCE ROW LEVEL SECURITY").await, []);
    assert_eq!(gaps("CREATE POLICY other ON notes USING (true)").await, [Gap::Policies(table())]);
    assert_eq!(gaps("DROP POLICY other ON notes").await, []);
    let superuser = TenantPool::new(admin.clone(), wall::<sqlx::Postgres>()).unwrap();
    let found = as_host("look for gaps", rls::audit(&superuser)).await.unwrap().unwrap();
    assert!(matches!(found.as_slice(), [Gap::Role(_)]), "{found:?}");
    assert_eq!(gaps("ALTER TABLE notes RENAME TO gone").await, [Gap::Missing(table())]);
}

#[tokio::test]
async fn a_beginning_that_nobody_waits_for_leaves_nothing_on_the_connection() {
    let admin = PgPool::connect(&postgres_database().await).await.unwrap();
    let few = second_wall(admin).await;
    let options = as_host("a test", async { few.as_host().unwrap().connect_options().as_ref().clone() }).await.unwrap();
    let one: PgPool = PoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let pool = TenantPool::new(one.clone(), wall::<sqlx::Postgres>()).unwrap().with_row_level_security().unwrap();
    for polls in 0..40 {
        {
            let mut begin = std::pin::pin!(TenantContext::of(tenant(1)).scope(pool.begin()));
            for _ in 0..polls {
                if futures_util::poll!(begin.as_mut()).is_ready() {
                    break;
                }
                tokio::time::sleep(Duration::from_micros(100)).await;
            }
        }
        // There is one connection, so this is the same one.
        let left: Option<String> =
            sqlx::query_scalar("SELECT current_setting('nebula.tenant', true)").fetch_one(&one).await.unwrap();
        assert_eq!(left.unwrap_or_default(), "", "after {polls} polls");
    }
}

#[tokio::test]
async fn pools_and_transactions_are_their_tenants() {
    let pool = plain_table(sqlx::SqlitePool::connect("sqlite::memory:").await.unwrap()).await;
    let (a, b) = (TenantContext::of("a".parse().unwrap()), TenantContext::of("b".parse().unwrap()));
    let mut transaction = a.clone().scope(pool.begin()).await.unwrap().unwrap();
    let stolen = b.clone().scope(query("SELECT * FROM notes").fetch_all(&mut transaction)).await.unwrap();
    assert!(matches!(stolen, Err(DbError::Tenant(error)) if error.kind() == ErrorKind::Conflict));
    let unowned = query("SELECT * FROM notes").fetch_all(&mut transaction).await;
    assert!(matches!(unowned, Err(DbError::Tenant(error)) if error.kind() == ErrorKind::NoTenant));
    let committed = b.scope(transaction.commit()).await.unwrap();
    assert!(matches!(committed, Err(DbError::Tenant(error)) if error.kind() == ErrorKind::Conflict));

    a.scope(async {
        assert_eq!(pool.as_host().unwrap_err().kind(), ErrorKind::Conflict);
        let few = query::<sqlx::Sqlite>("SELECT * FROM notes WHERE id = ?").fetch_all(&pool).await.unwrap_err();
        assert_eq!(few.to_string(), "each placeholder needs one argument: 0 for 1 placeholders");
        let none = query::<sqlx::Sqlite>("SELECT * FROM notes WHERE id = ?").bind(1).fetch_one(&pool).await;
        assert!(matches!(none, Err(DbError::Database(sqlx::Error::RowNotFound))));
    })
    .await
    .unwrap();
    assert_eq!(
        TenantPool::new(sqlx::SqlitePool::connect("sqlite::memory:").await.unwrap(), wall::<sqlx::MySql>())
            .unwrap_err()
            .kind(),
        ErrorKind::Config
    );
}
