//! Servers and Redis are killed in the middle of a rush: no seat is sold twice, no paid order is lost, no hold stays.
#![allow(clippy::future_not_send, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod program;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use nebula_test_support::{RedisServer, ReservedPort, eventually};
use program::Program;
use rustix::process::Signal;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use ticketing::rush::{self, Report, RushArgs};
use tokio::task::JoinHandle;

const SEATS: u32 = 240;

/// A platform whose servers can be killed and started again at the same address.
struct Platform {
    data: PathBuf,
    ports: Vec<String>,
    servers: Vec<Option<Program>>,
    redis: Option<String>,
    database: Option<SqlitePool>,
}

impl Platform {
    fn start(folder: &Path, servers: usize, redis: Option<String>) -> Self {
        let ports = (0..servers).map(|_| ReservedPort::pick().unwrap().number().to_string()).collect();
        let mut platform = Self { data: folder.join("data"), ports, servers: Vec::new(), redis, database: None };
        for number in 0..servers {
            let server = platform.spawn(number);
            platform.servers.push(Some(server));
        }
        let file = SqliteConnectOptions::new().filename(platform.data.join("ticketing.db")).read_only(true);
        platform.database = Some(SqlitePool::connect_lazy_with(file));
        platform
    }

    fn spawn(&self, number: usize) -> Program {
        let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/config/redis.yaml");
        let mut arguments = vec!["--port", &self.ports[number]];
        if self.redis.is_some() {
            arguments.extend(["--config", sample]);
        }
        let mut command = program::ticketing(&self.data, &arguments);
        command.env("NEBULA_TICKETING__SALES__SWEEP_INTERVAL", "1s");
        if let Some(url) = &self.redis {
            command.env("NEBULA_TICKETING__REDIS__URL", url);
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
            users: 3 * SEATS,
            seats: SEATS,
            url: self.ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect(),
            config: None,
            servers: 1,
            // Slow enough for everything to happen in the middle of it.
            connections: 8,
            abandon: 10,
            hold_seconds: 5,
            deadline: 300,
            admin: ticketing::demo::ADMIN_EMAIL.to_owned(),
            password: ticketing::demo::PASSWORD.to_owned().into(),
            json: false,
        };
        tokio::spawn(async move { rush::run(args).await.unwrap() })
    }

    /// Waits until this many orders are paid, which must be before the rush is over.
    async fn paid(&self, wanted: u32, rush: &JoinHandle<Report>) {
        eventually(Duration::from_secs(120), || async {
            assert!(!rush.is_finished(), "the rush was over before {wanted} orders were paid");
            let database = self.database.as_ref().ok_or("no database")?;
            let paid: u32 = sqlx::query_scalar("SELECT count(*) FROM orders WHERE state = 'PAID'")
                .fetch_one(database)
                .await
                .map_err(|error| error.to_string())?;
            if paid >= wanted { Ok(()) } else { Err(format!("{paid} orders are paid")) }
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
    let mut platform = Platform::start(folder.path(), 1, None);
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
    let mut platform = Platform::start(folder.path(), 2, Some(redis.url()));
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
