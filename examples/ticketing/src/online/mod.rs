//! `ticketing online`: how many may be connected without doing anything, and what they cost.
//!
//! Connections are opened by processes of their own, since a process may have so many files open, from addresses of their
//! own, since an address has so many ports. Some ask for something now and then, others watch seats.

mod client;
mod connection;
mod plan;
mod report;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::Stdio,
    time::Duration,
};

use clap::Args;
use reqwest::Client;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{Instant, timeout, timeout_at},
};

use self::{
    client::Held,
    plan::{Limits, Plan, share},
    report::{Asked, Reading},
};
pub use self::{
    client::{ClientArgs, hold},
    report::{OnlineReport, ServerReport},
};
use crate::{
    cluster::MachineKind,
    rush::{Latency, RushError, Stage},
};

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(20);
/// Pause between two requests of whoever looks how the servers are meanwhile.
const PAUSE: Duration = Duration::from_millis(20);
/// How long is looked before anybody is connected.
const ALONE: Duration = Duration::from_secs(3);

/// Hold idle connections and event streams, and measure what they cost.
#[derive(Args, Clone, Debug)]
pub struct OnlineArgs {
    /// How many connections.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub connections: u32,
    /// Of a hundred of them, so many watch the seats of a session; the others ask for something now and then.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub streams: u32,
    /// How many servers to start [default: as many as it takes].
    #[arg(long, conflicts_with = "url", value_parser = clap::value_parser!(u32).range(1..=16))]
    pub servers: Option<u32>,
    /// A running server, `http://address:port`; several if given more than once. Without it, servers are started on a
    /// temporary folder, with a Redis that they share.
    #[arg(long)]
    pub url: Vec<String>,
    /// How long to hold them when all are open, in seconds. Longer than a minute shows that none is closed for idleness.
    #[arg(long, default_value_t = 70, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub seconds: u64,
    /// Give up after this many seconds.
    #[arg(long, default_value_t = 600)]
    pub deadline: u64,
    /// Print the report as JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// Why it could not be tried.
#[derive(Debug, thiserror::Error)]
pub enum OnlineError {
    /// A process may not have so many files open.
    #[error(
        "{connections} connections take {needed} servers, and at most {most} are started: a process may have {limit} files \
         open. Raise that (ulimit -Hn, or `nofile` in /etc/security/limits.conf), or ask for fewer with --connections"
    )]
    Process {
        /// How many.
        connections: u32,
        /// Servers that they would take.
        needed: u32,
        /// Files that a process may have open.
        limit: u64,
        /// Servers that are started at most.
        most: u32,
    },
    /// All processes together may not have so many files open.
    #[error(
        "{connections} connections need more open files than the {limit} of this system: raise fs.file-max (sysctl)"
    )]
    System {
        /// How many.
        connections: u32,
        /// Files that may be open.
        limit: u64,
    },
    /// A server of the trial did not come up.
    #[error(transparent)]
    Server(#[from] RushError),
    /// A server did not answer as it should.
    #[error("{0}")]
    Answer(String),
    /// A process of clients failed.
    #[error("a process that holds connections cannot be used: {0}")]
    Client(String),
    /// It took too long.
    #[error("not all connections were open within {0} s (--deadline)")]
    Late(u64),
}

/// Opens the connections, holds them, and answers what they cost.
///
/// # Errors
///
/// [`OnlineError`] when it could not be tried.
///
/// # Cancel safety
///
/// Dropping the future stops what was started.
pub async fn run(args: OnlineArgs) -> Result<OnlineReport, OnlineError> {
    let running = (!args.url.is_empty()).then(|| u32::try_from(args.url.len()).unwrap_or(u32::MAX));
    let plan = Plan::of(args.connections, args.servers, running, Limits::here())?;
    let stage = if running.is_some() {
        Stage::running(args.url.iter().map(|url| url.trim_end_matches('/').to_owned()).collect())
    } else {
        let without = [MachineKind::Postgres, MachineKind::Rabbitmq];
        Stage::start_with_machines(u16::try_from(plan.servers).unwrap_or(u16::MAX), &without).await?
    };
    let report = try_it(&args, plan, &stage).await;
    stage.stop().await;
    report
}

async fn try_it(args: &OnlineArgs, plan: Plan, stage: &Stage) -> Result<OnlineReport, OnlineError> {
    let deadline = Instant::now() + Duration::from_secs(args.deadline);
    let client = Client::builder().no_proxy().timeout(ANSWER).build();
    let client = client.map_err(|error| OnlineError::Answer(error.to_string()))?;
    let urls = stage.urls();
    let session = session(&client, &urls[0]).await?;
    for url in urls {
        let ready = timeout_at(deadline, ready(&client, url)).await;
        ready
            .map_err(|_| OnlineError::Answer(format!("{url} is not ready within {} s (--deadline)", args.deadline)))?;
    }
    let alone = look(&client, urls, &session, ALONE).await;
    let before = read(&client, urls).await?;

    let opening = Instant::now();
    let mut crowd = Vec::new();
    for number in 0..plan.clients {
        crowd.push(Crowd::start(args, plan, number, urls, &session)?);
    }
    let (mut open, mut errors) = (0, alone.failed);
    for part in &mut crowd {
        let held = timeout_at(deadline, part.tell()).await.map_err(|_| OnlineError::Late(args.deadline))??;
        open += held.open;
        add(&mut errors, held.errors);
    }
    let opened = Instant::now();
    let meanwhile = look(&client, urls, &session, Duration::from_secs(args.seconds)).await;
    let after = read(&client, urls).await?;
    add(&mut errors, meanwhile.failed);
    let held_for = opened.elapsed();
    for part in &mut crowd {
        let held = part.end().await?;
        open -= held.errors.values().sum::<u32>().min(open);
        add(&mut errors, held.errors);
    }
    let servers = urls.iter().zip(before).zip(after);
    Ok(OnlineReport {
        sound: open == args.connections && errors.is_empty(),
        wanted: args.connections,
        streams: streams(args),
        open,
        errors,
        clients: plan.clients,
        opened_after: (opened - opening).as_secs_f64(),
        held_for: held_for.as_secs_f64(),
        servers: servers.map(|((url, before), after)| ServerReport::new(url.clone(), before, after)).collect(),
        alone: Latency::of(alone.took),
        meanwhile: Latency::of(meanwhile.took),
    })
}

fn streams(args: &OnlineArgs) -> u32 {
    u32::try_from(u64::from(args.connections) * u64::from(args.streams) / 100).unwrap_or(u32::MAX)
}

fn add(all: &mut std::collections::BTreeMap<String, u32>, more: std::collections::BTreeMap<String, u32>) {
    for (what, count) in more {
        *all.entry(what).or_default() += count;
    }
}

/// A process that holds connections.
struct Crowd {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Closed, it ends the process.
    lifeline: Option<ChildStdin>,
}

impl Crowd {
    fn start(args: &OnlineArgs, plan: Plan, number: u32, urls: &[String], session: &str) -> Result<Self, OnlineError> {
        let failed = |error: std::io::Error| OnlineError::Client(error.to_string());
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        command.arg("online-client").args(["--session", session]);
        for url in urls {
            command.arg("--server").arg(address(url)?.to_string());
        }
        let mine = |all| share(all, plan.clients, number).to_string();
        command.args(["--connections", &mine(args.connections), "--streams", &mine(streams(args))]);
        command.arg("--from").arg(from(number, !args.url.is_empty()).to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(failed)?;
        let (lifeline, output) = (child.stdin.take(), child.stdout.take());
        let output = output.ok_or_else(|| OnlineError::Client("it has no output".to_owned()))?;
        Ok(Self { child, lines: BufReader::new(output).lines(), lifeline })
    }

    async fn tell(&mut self) -> Result<Held, OnlineError> {
        let line = self.lines.next_line().await.map_err(|error| OnlineError::Client(error.to_string()))?;
        let line = line.ok_or_else(|| OnlineError::Client("it ended".to_owned()))?;
        serde_json::from_str(&line).map_err(|error| OnlineError::Client(error.to_string()))
    }

    async fn end(&mut self) -> Result<Held, OnlineError> {
        self.lifeline = None;
        let ended = async {
            let held = self.tell().await?;
            let _status = self.child.wait().await;
            Ok(held)
        };
        timeout(ANSWER, ended).await.unwrap_or_else(|_| Err(OnlineError::Client("it does not end".to_owned())))
    }
}

/// Where connections come from. On this machine each process has an address, and with it all ports, for itself.
fn from(number: u32, elsewhere: bool) -> IpAddr {
    if elsewhere {
        return Ipv4Addr::UNSPECIFIED.into();
    }
    Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + 1 + number).into()
}

fn address(url: &str) -> Result<SocketAddr, OnlineError> {
    let address = url.strip_prefix("http://").and_then(|address| address.parse().ok());
    address.ok_or_else(|| OnlineError::Answer(format!("{url} is not http://address:port")))
}

/// A session on sale.
async fn session(client: &Client, url: &str) -> Result<String, OnlineError> {
    let shows = get(client, format!("{url}/api/v1/shows")).await.map_err(OnlineError::Answer)?;
    let shows: Value = serde_json::from_str(&shows).map_err(|error| OnlineError::Answer(error.to_string()))?;
    let session = shows.pointer("/shows/0/sessions/0/id").and_then(Value::as_str);
    Ok(session.ok_or_else(|| OnlineError::Answer(format!("{url} has no session to watch")))?.to_owned())
}

/// Waits until a server has loaded what it loads after its start: its memory says nothing before.
async fn ready(client: &Client, url: &str) {
    while get(client, format!("{url}/readyz")).await.is_err() {
        tokio::time::sleep(PAUSE).await;
    }
}

async fn read(client: &Client, urls: &[String]) -> Result<Vec<Reading>, OnlineError> {
    let mut readings = Vec::new();
    for url in urls {
        let metrics = get(client, format!("{url}/metrics")).await.map_err(OnlineError::Answer)?;
        let reading = Reading::of(&metrics);
        readings.push(reading.ok_or_else(|| OnlineError::Answer(format!("{url}/metrics does not tell its memory")))?);
    }
    Ok(readings)
}

/// Asks the servers in turn, as a visitor would.
async fn look(client: &Client, urls: &[String], session: &str, time: Duration) -> Asked {
    let (mut asked, until) = (Asked::default(), Instant::now() + time);
    for url in urls.iter().cycle() {
        if Instant::now() >= until {
            break;
        }
        let began = Instant::now();
        match get(client, format!("{url}/api/v1/sessions/{session}/seats")).await {
            Ok(_) => asked.took.push(began.elapsed()),
            Err(error) => *asked.failed.entry(error).or_default() += 1,
        }
        tokio::time::sleep(PAUSE).await;
    }
    asked
}

async fn get(client: &Client, url: String) -> Result<String, String> {
    let answer = client.get(url).send().await.map_err(|error| crate::problem::chain(&error))?;
    let status = answer.status();
    let text = answer.text().await.map_err(|error| crate::problem::chain(&error))?;
    if status.is_success() { Ok(text) } else { Err(status.to_string()) }
}
