//! The contracts of the stores of sessions and of proofs, in every database, and in memory where it is not elsewhere.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test is meant to panic")]

mod sqlite_sessions;

use std::time::Duration;

use nebula_auth::{
    SqlRefreshStore, migrate,
    proof::{MemoryProofStore, SqlProofStore},
    sqlx::{
        MySql, MySqlPool, PgPool, Postgres, Sqlite, SqlitePool,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
    },
};
use nebula_test_support::{mariadb_database, postgres_database};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

mod memory {
    use super::*;

    struct Memory(MemoryProofStore);

    impl nebula_auth::proof::testing::Fixture for Memory {
        type Store = MemoryProofStore;

        async fn start() -> Self {
            Self(MemoryProofStore::new())
        }

        fn store(&self) -> MemoryProofStore {
            self.0.clone()
        }

        async fn peer(&self) -> MemoryProofStore {
            self.0.clone()
        }
    }

    nebula_auth::proof_conformance_suite!(Memory);
}

mod sqlite {
    use super::*;

    struct File {
        folder: TempDir,
        store: SqlProofStore<Sqlite>,
    }

    async fn pool(folder: &TempDir) -> SqlitePool {
        let options = SqliteConnectOptions::new()
            .filename(folder.path().join("auth.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(PATIENCE);
        SqlitePoolOptions::new().max_connections(4).connect_with(options).await.unwrap()
    }

    impl nebula_auth::proof::testing::Fixture for File {
        type Store = SqlProofStore<Sqlite>;

        async fn start() -> Self {
            let folder = TempDir::new().unwrap();
            let pool = pool(&folder).await;
            migrate(&pool).await.unwrap();
            Self { store: SqlProofStore::new(pool).with_timeout(PATIENCE), folder }
        }

        fn store(&self) -> Self::Store {
            self.store.clone()
        }

        async fn peer(&self) -> Self::Store {
            SqlProofStore::new(pool(&self.folder).await).with_timeout(PATIENCE)
        }
    }

    nebula_auth::proof_conformance_suite!(File);
}

macro_rules! server {
    ($module:ident, $suite:ident, $fixture:path, $store:ident, $database:ty, $pool:ty, $url:ident) => {
        mod $module {
            use super::*;

            struct Server {
                url: String,
                store: $store<$database>,
            }

            async fn connect(url: &str) -> $store<$database> {
                let pool = <$pool>::connect_lazy(url).unwrap();
                migrate(&pool).await.unwrap();
                $store::new(pool).with_timeout(PATIENCE)
            }

            impl $fixture for Server {
                type Store = $store<$database>;

                async fn start() -> Self {
                    let url = $url().await;
                    // Several processes start at once.
                    let (store, other) = tokio::join!(connect(&url), connect(&url));
                    drop(other);
                    Self { store, url }
                }

                fn store(&self) -> Self::Store {
                    self.store.clone()
                }

                async fn peer(&self) -> Self::Store {
                    connect(&self.url).await
                }
            }

            nebula_auth::$suite!(Server);
        }
    };
}

use nebula_auth::{proof::testing::Fixture as Proofs, testing::Fixture as Sessions};

server!(mariadb_sessions, conformance_suite, Sessions, SqlRefreshStore, MySql, MySqlPool, mariadb_database);
server!(postgres_sessions, conformance_suite, Sessions, SqlRefreshStore, Postgres, PgPool, postgres_database);
server!(mariadb_proofs, proof_conformance_suite, Proofs, SqlProofStore, MySql, MySqlPool, mariadb_database);
server!(postgres_proofs, proof_conformance_suite, Proofs, SqlProofStore, Postgres, PgPool, postgres_database);
