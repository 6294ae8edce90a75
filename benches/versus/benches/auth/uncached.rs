//! Checking a permission of a user who is not known yet: one reading of the store, or of Redis where another process has read it.

use std::time::{Duration, Instant};

use nebula_auth::{
    rbac::{
        Actor, EvaluatorOptions, Permission, PermissionEvaluator, PermissionKey, PermissionPattern, RbacService,
        RbacStore, Role, RoleName, SqlRbacStore, UserId,
    },
    secrecy::SecretString,
    sqlx::{
        MySqlPool, PgPool,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
    },
};
use nebula_redis::{RedisConfig, redis};
use nebula_test_support::{Effort, Latencies, eventually, mariadb_database, postgres_database, redis_url, unique};

pub(crate) async fn run(effort: Effort) {
    let pool = PgPool::connect(&postgres_database().await).await.unwrap();
    SqlRbacStore::migrate(&pool).await.unwrap();
    let store = SqlRbacStore::new(pool);
    let users = measure("PostgreSQL", effort, store.clone()).await;
    measure_shared(store, &users).await;
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

async fn measure(name: &str, effort: Effort, store: impl RbacStore + Clone) -> Vec<UserId> {
    let users = effort.pick(500, 5_000);
    let (service, setup) = (RbacService::new(store.clone()), Actor::system("bench"));
    let clerk = RoleName::new("clerk").unwrap();
    let role = Role::new(clerk.clone()).with_permissions([PermissionPattern::new("uncached:read").unwrap()]);
    service.create_role(&setup, role).await.unwrap().into_result().unwrap();
    let users: Vec<_> = (0..users).map(|number| UserId::new(format!("user-{number}")).unwrap()).collect();
    for user in &users {
        service.assign_role(&setup, user, &clerk, None).await.unwrap().into_result().unwrap();
    }
    let evaluator = PermissionEvaluator::start(store, options()).await.unwrap();
    check_all(name, &evaluator, &users).await;
    users
}

/// One process reads all users from the store, another finds them on Redis.
async fn measure_shared(store: impl RbacStore + Clone, users: &[UserId]) {
    let config = RedisConfig::new(redis_url().await);
    let (prefix, secret) = (unique("bench"), SecretString::from("q8Vw2RkT7mZ4xJ1cL9fH5bN3dS6gP0yA"));
    let process = async || {
        let evaluator = PermissionEvaluator::start(store.clone(), options()).await.unwrap();
        evaluator.with_redis_cache(&config, &prefix, &secret).await.unwrap()
    };
    let first = process().await;
    for user in users {
        first.authority(user).await.unwrap();
    }
    let connection = config.connect().await.unwrap();
    // They are written one after the other.
    let last = format!("{prefix}:user:{}", users.last().unwrap().as_str());
    eventually(Duration::from_secs(60), || {
        let mut connection = connection.clone();
        let written = redis::cmd("EXISTS").arg(&last).to_owned();
        async move { written.query_async::<bool>(&mut connection).await.unwrap() }
    })
    .await;
    let second = process().await;
    // It learns the store's clock from the first user that it reads there.
    second.authority(&UserId::new("nobody").unwrap()).await.unwrap();
    check_all("Redis", &second, users).await;
}

fn options() -> EvaluatorOptions {
    EvaluatorOptions::new().preload(0).lease(Duration::from_secs(600))
}

async fn check_all(name: &str, evaluator: &PermissionEvaluator, users: &[UserId]) {
    let key = PermissionKey::of(&Permission::new("uncached:read").unwrap());
    let mut latencies = Latencies::new();
    for user in users {
        let started = Instant::now();
        assert!(evaluator.check(user, key).await.unwrap());
        latencies.record(started.elapsed());
    }
    let millis = |percentile| latencies.percentile(percentile).as_secs_f64() * 1e3;
    println!("auth uncached check {name} p50={:.3} ms p99={:.3} ms users={}", millis(50.0), millis(99.0), users.len());
}
