//! Servers and Redis are killed in the middle of a rush: no seat is sold twice, no paid order is lost, no hold stays.
#![allow(clippy::future_not_send, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod program;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use nebula_test_support::{RabbitMq, RedisServer, ReservedPort, SqlEngine, SqlServer, eventually};
use program::Program;
use rustix::process::Signal;
use sqlx::{
    PgPool,
    sqlite::{SqliteConnectOptions, SqlitePool},
};
use ticketing::{
    rush::{self, Profile, Report, RushArgs},
    storage::{Pool, sql::query},
};
use tokio::task::JoinHandle;

const SEATS: u32 = 240;

/// A platform whose servers can be killed and started again at the same address.
struct Platform {
    data: PathBuf,
    ports: Vec<String>,
    servers: Vec<Option<Program>>,
    settings: Settings,
    database: Pool,
}

/// The sample of a configuration, and what differs from it: names of environment variables and values.
#[derive(Default)]
struct Settings {
    sample: Option<&'static str>,
    changes: Vec<(&'static str, String)>,
}

impl Settings {
    fn redis(url: String) -> Self {
        let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/config/redis.yaml");
        Self { sample: Some(sample), changes: vec![("REDIS__URL", url)] }
    }

    fn distributed(redis: String, postgres: String, rabbitmq: String) -> Self {
        let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/config/distributed.yaml");
        let changes = [("REDIS__URL", redis), ("DATABASE__URL", postgres), ("DELAY_QUEUE__RABBITMQ__URL", rabbitmq)];
        Self { sample: Some(sample), changes: changes.into() }
    }
}

impl Platform {
    fn start(folder: &Path, servers: usize, settings: Settings) -> Self {
        let ports = (0..servers).map(|_| ReservedPort::pick().unwrap().number().to_string()).collect();
        let data = folder.join("data");
        let database = match settings.changes.iter().find(|(key, _)| *key == "DATABASE__URL") {
            Some((_, url)) => Pool::Postgres(PgPool::connect_lazy(url).unwrap()),
            None => {
                let file = SqliteConnectOptions::new().filename(data.join("ticketing.db")).read_only(true);
                Pool::Sqlite(SqlitePool::connect_lazy_with(file))
            }
        };
        let mut platform = Self { data, ports, servers: Vec::new(), settings, database };
        for number in 0..servers {
            let server = platform.spawn(number);
            platform.servers.push(Some(server));
        }
        platform
    }

    fn spawn(&self, number: usize) -> Program {
        let mut arguments = vec!["--port", &self.ports[number]];
        if let Some(sample) = self.settings.sample {
            arguments.extend(["--config", sample]);
        }
        let mut command = program::ticketing(&self.data, &arguments);
        command.env("NEBULA_TICKETING__SALES__SWEEP_INTERVAL", "1s");
        for (key, value) in &self.settings.changes {
            command.env(format!("NEBULA_TICKETING__{key}"), value);
        }
        Program::spawn(command)
    }

    /// Kills a server without warning and starts it again.
    fn crash(&mut self, number: usize) {
        let server = self.servers[number].take().unwrap();
        server.signal(Signal::KILL);
        let (code, _) = server.end();
        assert_eq!(code, None, "it ended by itself");
        self.servers[number] = Some(self.spawn(number));
    }

    fn rush(&self) -> JoinHandle<Report> {
        let args = RushArgs {
            profile: Profile::Flash,
            over: None,
            opens_in: 0,
            chaos: false,
            chaos_seconds: 0,
            chaos_in_turn: false,
            chaos_seed: None,
            without: Vec::new(),
            users: 3 * SEATS,
            seats: SEATS,
            url: self.ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect(),
            config: None,
            servers: 1,
            // Slow enough for everything to happen in the middle of it.
            connections: 8,
            abandon: 10,
            hold_seconds: 15,
            deadline: 600,
            admin: ticketing::demo::ADMIN_EMAIL.to_owned(),
            password: ticketing::demo::PASSWORD.to_owned().into(),
            json: false,
        };
        tokio::spawn(async move { rush::run(args).await.unwrap() })
    }

    /// Waits until this many orders are paid, which must be before the rush is over.
    async fn paid(&self, wanted: u32, rush: &JoinHandle<Report>) {
        eventually(Duration::from_secs(300), || async {
            assert!(!rush.is_finished(), "the rush was over before {wanted} orders were paid");
            let paid = query("SELECT count(*) FROM orders WHERE state IN ('PAID', 'ISSUED', 'COMPLETED')")
                .scalar(&self.database)
                .await;
            let paid: i64 = paid.map_err(|error| error.to_string())?;
            if paid >= i64::from(wanted) { Ok(()) } else { Err(format!("{paid} orders are paid")) }
        })
        .await;
    }
}

fn check(report: &Report) {
    assert!(report.sound, "{report}");
    assert_eq!((report.sold, report.oversold, report.paid_lost), (SEATS.into(), 0, 0), "{report}");
    assert!(report.repeated > 0, "nobody noticed that something was killed: {report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut platform = Platform::start(folder.path(), 1, Settings::default());
    let rush = platform.rush();
    for paid in [SEATS / 6, SEATS / 3, SEATS / 2] {
        platform.paid(paid, &rush).await;
        platform.crash(0);
    }
    check(&rush.await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_servers_and_a_killed_redis_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut redis = RedisServer::options().append_only().start().await;
    let mut platform = Platform::start(folder.path(), 2, Settings::redis(redis.url()));
    let rush = platform.rush();
    platform.paid(SEATS / 8, &rush).await;
    platform.crash(0);
    platform.paid(SEATS / 4, &rush).await;
    redis.kill();
    redis.restart().await;
    platform.paid(SEATS * 3 / 8, &rush).await;
    platform.crash(1);
    platform.paid(SEATS / 2, &rush).await;
    redis.kill();
    redis.restart_empty().await;
    platform.paid(SEATS * 5 / 8, &rush).await;
    check(&rush.await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_servers_of_every_kind_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut redis = RedisServer::options().append_only().start().await;
    let mut postgres = SqlServer::start(SqlEngine::Postgres).await;
    let mut rabbitmq = RabbitMq::start().await;
    let settings = Settings::distributed(redis.url(), postgres.create_database().await, rabbitmq.url());
    let mut platform = Platform::start(folder.path(), 2, settings);
    let rush = platform.rush();
    platform.paid(SEATS / 8, &rush).await;
    platform.crash(0);
    platform.paid(SEATS / 4, &rush).await;
    postgres.kill();
    postgres.restart().await;
    platform.paid(SEATS * 3 / 8, &rush).await;
    redis.kill();
    redis.restart_empty().await;
    platform.crash(1);
    platform.paid(SEATS / 2, &rush).await;
    rabbitmq.kill();
    // A broker takes its time to come back, and nobody who buys waits for it.
    platform.paid(SEATS * 5 / 8, &rush).await;
    rabbitmq.restart().await;
    check(&rush.await.unwrap());
}
