//! Every source keeps the contract, as itself and behind an `Arc<dyn …>`.

use std::sync::Arc;

use nebula_rule_engine::sql::{SqlRules, SqlSource, migrate};
use nebula_rule_engine::sqlx::{self, MySql, Pool, Postgres, Sqlite, pool::PoolOptions};
use nebula_rule_engine::testing::SourceFixture;
use nebula_rule_engine::{FileSource, Format, HttpSource, MemorySource, RuleSource, rule_source_conformance_suite};
use nebula_test_support::{mariadb_database, postgres_database};
use tempfile::TempDir;

use crate::http::{Server, source};

mod memory {
    use super::*;

    #[derive(Debug)]
    struct Memory(MemorySource);

    impl SourceFixture for Memory {
        type Source = MemorySource;

        async fn start() -> Self {
            Self(MemorySource::new("{}", Format::Json))
        }

        fn source(&self) -> MemorySource {
            self.0.clone()
        }

        async fn put(&self, text: String) {
            self.0.set(text, Format::Json);
        }
    }

    rule_source_conformance_suite!(Memory: what_is_too_large_is_refused, news_wakes_who_waits_and_who_comes_later);
}

mod erased {
    use super::*;

    #[derive(Debug)]
    struct Erased(MemorySource);

    impl SourceFixture for Erased {
        type Source = Arc<dyn RuleSource>;

        async fn start() -> Self {
            Self(MemorySource::new("{}", Format::Json))
        }

        fn source(&self) -> Arc<dyn RuleSource> {
            Arc::new(self.0.clone())
        }

        async fn put(&self, text: String) {
            self.0.set(text, Format::Json);
        }
    }

    rule_source_conformance_suite!(Erased: what_is_too_large_is_refused, news_wakes_who_waits_and_who_comes_later);
}

mod file {
    use super::*;

    #[derive(Debug)]
    struct File(TempDir);

    impl SourceFixture for File {
        type Source = FileSource;

        async fn start() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn source(&self) -> FileSource {
            FileSource::new(self.0.path().join("rules.json"))
        }

        async fn put(&self, text: String) {
            std::fs::write(self.0.path().join("rules.json"), text).unwrap();
        }

        async fn remove(&self) {
            std::fs::remove_file(self.0.path().join("rules.json")).unwrap();
        }
    }

    rule_source_conformance_suite!(File: what_is_too_large_is_refused, what_is_not_there_is_not_found);
}

mod server {
    use super::*;

    /// Some documents have a tag.
    #[derive(Debug)]
    struct Http(Server, String);

    impl SourceFixture for Http {
        type Source = HttpSource;

        async fn start() -> Self {
            let server = Server::default();
            let url = server.start().await;
            Self(server, url)
        }

        fn source(&self) -> HttpSource {
            source(&self.1)
        }

        async fn put(&self, text: String) {
            let tag = text.contains("one").then_some("\"one\"");
            self.0.set(text, tag);
        }

        async fn remove(&self) {
            self.0.remove();
        }
    }

    rule_source_conformance_suite!(Http: what_is_too_large_is_refused, what_is_not_there_is_not_found);
}

macro_rules! database {
    ($module:ident, $database:ty, $folder:ident => $url:expr, $($tests:ident),+) => {
        mod $module {
            use super::*;

            #[derive(Debug)]
            struct Rules {
                rules: SqlRules<$database>,
                pool: Pool<$database>,
                _folder: TempDir,
            }

            impl SourceFixture for Rules {
                type Source = SqlSource<$database>;

                async fn start() -> Self {
                    let $folder = tempfile::tempdir().unwrap();
                    let url: String = $url;
                    let pool = PoolOptions::new().max_connections(2).connect(&url).await.unwrap();
                    migrate(&pool).await.unwrap();
                    Self { rules: SqlRules::new(pool.clone()), pool, _folder: $folder }
                }

                fn source(&self) -> SqlSource<$database> {
                    self.rules.source("shop")
                }

                async fn put(&self, text: String) {
                    let version = self.rules.store("shop", &text, Format::Json).await.unwrap();
                    self.rules.activate("shop", version).await.unwrap();
                }

                /// Past the store, which refuses it.
                async fn put_too_much(&self) {
                    self.put("x".repeat((32 << 10) + 1)).await;
                    for _ in 0..10 {
                        let double = sqlx::query("UPDATE nebula_rules_document SET text = text || text");
                        double.execute(&self.pool).await.unwrap();
                    }
                }

                async fn remove(&self) {
                    sqlx::query("DELETE FROM nebula_rules_active").execute(&self.pool).await.unwrap();
                }
            }

            rule_source_conformance_suite!(Rules: $($tests),+);
        }
    };
}

database!(
    sqlite,
    Sqlite,
    folder => format!("sqlite://{}?mode=rwc", folder.path().join("rules.db").display()),
    what_is_not_there_is_not_found, what_is_too_large_is_refused
);
database!(
    postgres,
    Postgres,
    folder => postgres_database().await,
    what_is_not_there_is_not_found, what_is_too_large_is_refused
);
// Its packets are shorter than what would be too large.
database!(mariadb, MySql, folder => mariadb_database().await, what_is_not_there_is_not_found);
