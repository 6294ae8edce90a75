//! A database that comes back from a backup, while processes go on that remember what came after it.

use std::time::Duration;

use nebula_auth::{
    rbac::{
        Actor, EvaluatorOptions, Permission, PermissionEvaluator, PermissionKey, PermissionPattern, RbacDatabase,
        RbacService, RbacStore, SqlRbacStore, UserId,
    },
    sqlx::{self, Executor, MySqlPool, PgPool, Pool, sqlite::SqlitePoolOptions},
};
use nebula_test_support::{eventually, mariadb_database, postgres_database};

const PATIENCE: Duration = Duration::from_secs(90);

/// What a backup has to hold.
const TABLES: [&str; 4] = ["head", "document", "user", "holder"];

async fn run<DB: RbacDatabase>(pool: &Pool<DB>, statements: impl Iterator<Item = String>)
where
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let mut transaction = pool.begin().await.unwrap();
    for statement in statements {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut *transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

async fn restored<DB: RbacDatabase>(pool: Pool<DB>)
where
    SqlRbacStore<DB>: RbacStore,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    SqlRbacStore::migrate(&pool).await.unwrap();
    let options = EvaluatorOptions::new().poll(Duration::from_millis(50)).lease(Duration::from_secs(1));
    let running = PermissionEvaluator::start(SqlRbacStore::new(pool.clone()), options).await.unwrap();
    let (service, setup) = (RbacService::new(SqlRbacStore::new(pool.clone())), Actor::system("test"));
    let ann = UserId::new("ann").unwrap();
    let (before, after) = ("restore:before", "restore:after");
    let pattern = |text| PermissionPattern::new(text).unwrap();
    let key = |text| PermissionKey::of(&Permission::new(text).unwrap());
    let answers = |first: Option<bool>, second: Option<bool>| {
        let (running, ann) = (running.clone(), ann.clone());
        async move {
            let said = (running.check(&ann, key(before)).await.ok(), running.check(&ann, key(after)).await.ok());
            if said == (first, second) { Ok(()) } else { Err(format!("{said:?}")) }
        }
    };
    service.grant(&setup, &ann, &pattern(before), None).await.unwrap().into_result().unwrap();
    let copy = |table| format!("CREATE TABLE backup_{table} AS SELECT * FROM nebula_auth_rbac_{table}");
    run(&pool, TABLES.into_iter().map(copy)).await;
    service.revoke(&setup, &ann, &pattern(before)).await.unwrap().into_result().unwrap();
    service.grant(&setup, &ann, &pattern(after), None).await.unwrap().into_result().unwrap();
    eventually(PATIENCE, || answers(Some(false), Some(true))).await;

    let put_back = |table| {
        [
            format!("DELETE FROM nebula_auth_rbac_{table}"),
            format!("INSERT INTO nebula_auth_rbac_{table} SELECT * FROM backup_{table}"),
        ]
    };
    run(&pool, TABLES.into_iter().flat_map(put_back)).await;
    // Neither what was known nor what the store says now is believed.
    eventually(PATIENCE, || answers(None, None)).await;
    eventually(PATIENCE, || async { running.health().await.is_err() }).await;

    SqlRbacStore::after_restore(&pool).await.unwrap();
    eventually(PATIENCE, || answers(Some(true), Some(false))).await;
    // And changes are seen again.
    service.grant(&setup, &ann, &pattern(after), None).await.unwrap().into_result().unwrap();
    eventually(PATIENCE, || answers(Some(true), Some(true))).await;
    eventually(PATIENCE, || running.health()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite() {
    // One connection: the database lives in it.
    restored(SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres() {
    restored(PgPool::connect(&postgres_database().await).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb() {
    restored(MySqlPool::connect(&mariadb_database().await).await.unwrap()).await;
}
