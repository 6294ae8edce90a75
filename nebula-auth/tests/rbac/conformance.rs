//! The contract of stores of roles, in memory and in three databases.

use std::time::Duration;

use nebula_auth::{
    rbac::{MemoryRbacStore, SqlRbacStore, testing::Fixture},
    sqlx::{
        MySql, MySqlPool, PgPool, Postgres, Sqlite, SqlitePool,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
    },
};
use nebula_test_support::{mariadb_database, postgres_database};
use tempfile::TempDir;

mod memory {
    use super::*;

    struct Memory(MemoryRbacStore);

    impl Fixture for Memory {
        type Store = MemoryRbacStore;

        async fn start() -> Self {
            Self(MemoryRbacStore::new())
        }

        fn store(&self) -> MemoryRbacStore {
            self.0.clone()
        }

        async fn peer(&self) -> MemoryRbacStore {
            self.0.clone()
        }
    }

    nebula_auth::rbac_conformance_suite!(Memory);
}

mod sqlite {
    use super::*;

    struct File {
        folder: TempDir,
        store: SqlRbacStore<Sqlite>,
    }

    async fn pool(folder: &TempDir) -> SqlitePool {
        let options = SqliteConnectOptions::new()
            .filename(folder.path().join("auth.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(Duration::from_secs(30));
        SqlitePoolOptions::new().max_connections(4).connect_with(options).await.unwrap()
    }

    impl Fixture for File {
        type Store = SqlRbacStore<Sqlite>;

        async fn start() -> Self {
            let folder = TempDir::new().unwrap();
            let pool = pool(&folder).await;
            SqlRbacStore::migrate(&pool).await.unwrap();
            Self { store: SqlRbacStore::new(pool).with_timeout(Duration::from_secs(60)), folder }
        }

        fn store(&self) -> Self::Store {
            self.store.clone()
        }

        async fn peer(&self) -> Self::Store {
            SqlRbacStore::new(pool(&self.folder).await).with_timeout(Duration::from_secs(60))
        }
    }

    nebula_auth::rbac_conformance_suite!(File);
}

macro_rules! server {
    ($module:ident, $database:ty, $pool:ty, $url:ident) => {
        mod $module {
            use super::*;

            struct Server {
                url: String,
                store: SqlRbacStore<$database>,
            }

            async fn connect(url: &str) -> SqlRbacStore<$database> {
                let pool = <$pool>::connect_lazy(url).unwrap();
                SqlRbacStore::migrate(&pool).await.unwrap();
                SqlRbacStore::new(pool).with_timeout(Duration::from_secs(60))
            }

            impl Fixture for Server {
                type Store = SqlRbacStore<$database>;

                async fn start() -> Self {
                    let url = $url().await;
                    // Many processes start at once.
                    let (store, other, third) = tokio::join!(connect(&url), connect(&url), connect(&url));
                    drop((other, third));
                    Self { store, url }
                }

                fn store(&self) -> Self::Store {
                    self.store.clone()
                }

                async fn peer(&self) -> Self::Store {
                    connect(&self.url).await
                }
            }

            nebula_auth::rbac_conformance_suite!(Server);
        }
    };
}

server!(mariadb, MySql, MySqlPool, mariadb_database);
server!(postgres, Postgres, PgPool, postgres_database);
