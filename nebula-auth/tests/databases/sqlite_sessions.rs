//! The contract of session stores, in SQLite, with two pools on one file.

use std::time::Duration;

use nebula_auth::{
    SqliteRefreshStore, migrate,
    sqlx::{
        self, SqlitePool,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
    },
    testing::Fixture,
};
use tempfile::TempDir;

struct Sqlite {
    folder: TempDir,
    store: SqliteRefreshStore,
}

async fn pool(folder: &TempDir) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(folder.path().join("auth.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(Duration::from_secs(30));
    SqlitePoolOptions::new().max_connections(4).connect_with(options).await.unwrap()
}

impl Fixture for Sqlite {
    type Store = SqliteRefreshStore;

    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let pool = pool(&folder).await;
        migrate(&pool).await.unwrap();
        Self { store: SqliteRefreshStore::new(pool), folder }
    }

    fn store(&self) -> SqliteRefreshStore {
        self.store.clone()
    }

    async fn peer(&self) -> SqliteRefreshStore {
        SqliteRefreshStore::new(pool(&self.folder).await)
    }
}

nebula_auth::conformance_suite!(Sqlite);

#[tokio::test]
async fn migration_may_run_many_times_at_once() {
    let folder = TempDir::new().unwrap();
    let pools = [pool(&folder).await, pool(&folder).await, pool(&folder).await, pool(&folder).await];
    let [a, b, c, d] = &pools;
    let (a, b, c, d) = tokio::join!(migrate(a), migrate(b), migrate(c), migrate(d));
    for result in [a, b, c, d, migrate(&pools[0]).await] {
        result.unwrap();
    }
    let versions: Vec<i64> =
        sqlx::query_scalar("SELECT version FROM nebula_auth_schema").fetch_all(&pools[0]).await.unwrap();
    assert_eq!(versions, [1, 2]);
}

#[tokio::test]
async fn a_missing_table_and_a_closed_pool_are_errors_not_refusals() {
    use nebula_auth::{ErrorKind, RefreshStore};

    let folder = TempDir::new().unwrap();
    let pool = pool(&folder).await;
    let store = SqliteRefreshStore::new(pool.clone());
    let error = store.health().await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unavailable && error.is_retryable(), "{error:?}");
    migrate(&pool).await.unwrap();
    store.health().await.unwrap();
    pool.close().await;
    assert_eq!(store.session("s").await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn the_database_holds_no_usable_token() {
    use nebula_auth::{
        Algorithm, KeySet, NewSession, RefreshOptions, SessionService, SigningKey, TokenService, secrecy::ExposeSecret,
    };

    let fixture = Sqlite::start().await;
    let keys = KeySet::new(SigningKey::generate(Algorithm::EdDSA, "k").unwrap());
    let tokens = TokenService::new(keys, "issuer", "audience").unwrap();
    let sessions = SessionService::new(tokens, fixture.store());
    let first = sessions.start(NewSession::new("ann")).await.unwrap();
    let second = sessions.refresh(&first.refresh_token, RefreshOptions::new()).await.unwrap().into_result().unwrap();
    let again = sessions.refresh(&first.refresh_token, RefreshOptions::new()).await.unwrap().into_result().unwrap();
    assert_eq!(again.refresh_token.expose_secret(), second.refresh_token.expose_secret());

    let pool = pool(&fixture.folder).await;
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&pool).await.unwrap();
    let database = std::fs::read(fixture.folder.path().join("auth.db")).unwrap();
    for pair in [&first, &second] {
        let token = pair.refresh_token.expose_secret();
        let (_, payload) = token.split_once('.').unwrap();
        for part in [token, payload, pair.access_token.expose_secret()] {
            let needle = &part.as_bytes()[..40];
            assert!(!database.windows(needle.len()).any(|window| window == needle));
        }
    }
}
