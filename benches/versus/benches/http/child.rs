//! The processes that are asked: this program once more, in another role.

use std::net::SocketAddr;
use std::process::Stdio;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

const VARIABLE: &str = "NEBULA_VERSUS_HTTP_ROLE";

/// What a process serves.
#[derive(Serialize, Deserialize)]
pub(crate) enum Role {
    /// Handlers of nothing but `axum`, and a script on Redis.
    Bare { redis: Option<String> },
    /// The platform as a newcomer starts it.
    Embedded,
    /// With the ledger and the time-outs on Redis.
    Redis { redis: String },
    /// And the rest on PostgreSQL.
    Postgres { redis: String, postgres: String },
}

impl Role {
    pub(crate) fn of_this_process() -> Option<Self> {
        std::env::var(VARIABLE).ok().map(|text| serde_json::from_str(&text).unwrap())
    }
}

/// Where a process listens.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Addresses {
    /// The platform, or the bare handlers.
    pub(crate) http: SocketAddr,
    /// The platform's seats without the platform: `POST /hold`. Of the bare handlers, the same address.
    pub(crate) hold: SocketAddr,
}

/// A process that ends with this value.
pub(crate) struct Child {
    pub(crate) at: Addresses,
    process: tokio::process::Child,
}

impl Child {
    pub(crate) async fn start(role: &Role) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .env(VARIABLE, serde_json::to_string(role).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().unwrap();
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { at: serde_json::from_str(&line).unwrap(), process }
    }

    /// Seconds of processor time that it has taken.
    pub(crate) fn processor(&self) -> f64 {
        let stat = self.proc("stat");
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        // User and system time, in hundredths of a second: fields 14 and 15 of proc(5), of which two stand before the bracket.
        let ticks = |field: usize| fields[field - 3].parse::<f64>().unwrap();
        (ticks(14) + ticks(15)) / 100.0
    }

    /// MiB of memory that it has in use.
    pub(crate) fn memory(&self) -> f64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.process.id().unwrap())).unwrap()
    }
}
