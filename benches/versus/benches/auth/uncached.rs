//! Checking a permission of a user who is not known yet: one reading of the store.

use std::time::{Duration, Instant};

use nebula_auth::{
    rbac::{
        Actor, EvaluatorOptions, Permission, PermissionEvaluator, PermissionKey, PermissionPattern, RbacService,
        RbacStore, Role, RoleName, SqlRbacStore, UserId,
    },
    sqlx::{
        MySqlPool, PgPool,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
    },
};
use nebula_test_support::{Effort, Latencies, mariadb_database, postgres_database};

pub(crate) async fn run(effort: Effort) {
    let pool = PgPool::connect(&postgres_database().await).await.unwrap();
    SqlRbacStore::migrate(&pool).await.unwrap();
    measure("PostgreSQL", effort, SqlRbacStore::new(pool)).await;
    let pool = MySqlPool::connect(&mariadb_database().await).await.unwrap();
    SqlRbacStore::migrate(&pool).await.unwrap();
    measure("MariaDB", effort, SqlRbacStore::new(pool)).await;
    let folder = tempfile::TempDir::new().unwrap();
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("auth.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal);
    let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options).await.unwrap();
    SqlRbacStore::migrate(&pool).await.unwrap();
    measure("SQLite", effort, SqlRbacStore::new(pool)).await;
}

async fn measure(name: &str, effort: Effort, store: impl RbacStore + Clone) {
    let users = effort.pick(500, 5_000);
    let (service, setup) = (RbacService::new(store.clone()), Actor::system("bench"));
    let clerk = RoleName::new("clerk").unwrap();
    let role = Role::new(clerk.clone()).with_permissions([PermissionPattern::new("uncached:read").unwrap()]);
    service.create_role(&setup, role).await.unwrap().into_result().unwrap();
    let users: Vec<_> = (0..users).map(|number| UserId::new(format!("user-{number}")).unwrap()).collect();
    for user in &users {
        service.assign_role(&setup, user, &clerk, None).await.unwrap().into_result().unwrap();
    }
    let key = PermissionKey::of(&Permission::new("uncached:read").unwrap());
    let options = EvaluatorOptions::new().preload(0).lease(Duration::from_secs(600));
    let evaluator = PermissionEvaluator::start(store, options).await.unwrap();
    let mut latencies = Latencies::new();
    for user in &users {
        let started = Instant::now();
        assert!(evaluator.check(user, key).await.unwrap());
        latencies.record(started.elapsed());
    }
    let millis = |percentile| latencies.percentile(percentile).as_secs_f64() * 1e3;
    println!("auth uncached check {name} p50={:.3} ms p99={:.3} ms users={}", millis(50.0), millis(99.0), users.len());
}
