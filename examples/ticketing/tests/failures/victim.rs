//! A server that is killed in the middle of something, beside one that goes on.

use std::path::Path;

use nebula_test_support::{eventually, postgres_database, redis_url};
use reqwest::{Client, RequestBuilder};
use rustix::process::Signal;
use sqlx::{PgPool, Postgres, Transaction};
use ticketing::{config::DatabaseProvider, storage::Pool};

use crate::{
    common::TestApp,
    program::{self, Program},
    sale::{PATIENCE, on_redis},
};

/// Two servers of one platform on Redis and PostgreSQL: one in this process, and one that can be killed.
pub(crate) struct Pair {
    pub(crate) app: TestApp,
    victim: Program,
    database: PgPool,
}

impl Pair {
    pub(crate) async fn start() -> Self {
        let (redis, url) = (redis_url().await, postgres_database().await);
        let app = TestApp::start_with(|config| {
            on_redis(config, &redis);
            config.database.provider = DatabaseProvider::Postgres;
            config.database.url = Some(url.clone().into());
            config.database.max_connections = 8;
        })
        .await;
        let Pool::Postgres(database) = app.app.database.read.clone() else { panic!("not on PostgreSQL") };
        let victim = start(&app.app.config.data, &redis, &url);
        Self { app, victim, database }
    }

    /// What this table is asked for is answered, and changes of it wait until the answer of this is dropped.
    pub(crate) async fn hold_up(&self, table: &str) -> Transaction<'static, Postgres> {
        let mut lock = self.database.begin().await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("LOCK TABLE {table} IN EXCLUSIVE MODE")))
            .execute(&mut *lock)
            .await
            .unwrap();
        lock
    }

    /// Has the victim do this, and kills it as soon as `half` of it is done.
    pub(crate) async fn die_in<F: Future<Output = bool>>(
        self,
        path: &str,
        request: impl FnOnce(RequestBuilder) -> RequestBuilder,
        half: impl Fn() -> F,
    ) -> TestApp {
        let url = format!("{}{path}", self.victim.url);
        let request = request(Client::builder().no_proxy().build().unwrap().post(url));
        let asked = tokio::spawn(request.send());
        eventually(PATIENCE, &half).await;
        self.victim.signal(Signal::KILL);
        assert_eq!(self.victim.end().0, None, "it ended by itself");
        assert!(asked.await.unwrap().is_err(), "it was answered");
        self.app
    }
}

fn start(data: &Path, redis: &str, database: &str) -> Program {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/config/redis.yaml");
    let mut command = program::ticketing(data, &["--port", "0", "--config", sample]);
    for (key, value) in [
        ("REDIS__URL", redis),
        ("DATABASE__PROVIDER", "postgres"),
        ("DATABASE__URL", database),
        ("DATABASE__MAX_CONNECTIONS", "6"),
        ("DEMO", "false"),
        ("DEGRADE__AUTOMATIC", "false"),
    ] {
        command.env(format!("NEBULA_TICKETING__{key}"), value);
    }
    Program::spawn(command)
}
