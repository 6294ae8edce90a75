//! `ticketing cluster`: several servers as one platform on one machine, for a trial: what they share (Redis, and
//! PostgreSQL and RabbitMQ where they are installed), the replicas, and a balancer before them.
//!
//! Nothing of it outlives this program. A replica or a server that ends is started again; Ctrl-C stops the balancer,
//! then the replicas, then the servers, so that whoever is served is served to the end.

mod balancer;
mod child;
mod machines;
mod port;
mod program;
mod replica;
mod user;

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use futures_util::future::{join_all, try_join_all};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use self::balancer::Backends;
pub use self::machines::MachineKind;
pub(crate) use self::{
    child::Tended,
    machines::{Machine, Machines, make},
    replica::{Like, Replica},
};
use crate::{
    config::HttpConfig,
    demo, folder,
    http::{BindError, Server, places},
    problem::chain,
    serve::print,
};

/// Requests in progress may take this long before the replicas are told to stop, too.
const FINISH: Duration = Duration::from_secs(2);
/// Pause before something that ended is started again, at first and at most.
const AGAIN: Duration = Duration::from_millis(200);
const AGAIN_AT_MOST: Duration = Duration::from_secs(10);

/// Start several servers and a balancer for a trial.
#[derive(Args, Clone, Debug)]
pub struct ClusterArgs {
    /// How many servers.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub replicas: u16,
    /// Address and port of the balancer. Port 0 takes any free one. Off loopback there are no demo accounts.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Folder of everything that is kept: data, logs, and those of the servers.
    #[arg(long, value_name = "FOLDER", default_value = "data/cluster")]
    pub data: PathBuf,
    /// Configuration file of the replicas; addresses of what they share need not stand in it.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Leave these out even if they are installed: SQLite stands in for PostgreSQL, the database for RabbitMQ.
    #[arg(long, value_delimiter = ',')]
    pub without: Vec<MachineKind>,
}

/// Why the servers of a trial could not be started.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A program that is needed is not on this machine.
    #[error("{name} is not on this machine. Install it, for example with `apt install {package}`")]
    Missing {
        /// The program.
        name: &'static str,
        /// Debian's and Ubuntu's package.
        package: &'static str,
    },
    /// Every trial needs it.
    #[error("{0} cannot be left out: the servers share their seats on it")]
    Needed(&'static str),
    /// A program did not come up.
    #[error("{name} could not be started: {cause}. The end of {log}:\n{tail}", log = .log.display())]
    Start {
        /// What it is called.
        name: String,
        /// What happened.
        cause: String,
        /// Its log.
        log: PathBuf,
        /// The end of it.
        tail: String,
    },
    /// The system refused.
    #[error("{what} cannot be used")]
    System {
        /// What.
        what: String,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The balancer's address is not free.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Another cluster uses the folder.
    #[error(transparent)]
    Folder(#[from] folder::FolderError),
}

/// Starts everything, says where it is, and looks after it until a signal to stop.
///
/// # Errors
///
/// [`ClusterError`] names what could not be started.
///
/// # Cancel safety
///
/// Dropping the future kills what was started.
pub async fn run(args: ClusterArgs) -> Result<(), ClusterError> {
    if args.without.contains(&MachineKind::Redis) {
        return Err(ClusterError::Needed("redis"));
    }
    let stopping = on_signal()?;
    let server = Server::bind(args.listen)?;
    let address = server.address();
    // Others may pass, since a server may run as another user; the folders in it are closed.
    make(&args.data)?;
    let _ours = folder::hold(&args.data.join("control"), true)?;

    print("Starting the servers that the replicas share …\n");
    let started = stopping.run_until_cancelled(start(&args, address)).await;
    let Some(started) = started else { return Ok(()) };
    let (machines, replicas) = started?;
    let backends = Backends::new(replicas.iter().map(Replica::address));
    print(&welcome(&args, address, &machines, &replicas));

    let (balancing, tending) = (stopping.clone(), stopping.clone());
    // Each connection needs one more, to a replica.
    let room = u32::try_from(places::room(2)).unwrap_or(u32::MAX);
    let limits = HttpConfig { max_connections: Some(room), ..HttpConfig::default() };
    let balanced = backends.clone();
    let balancer = tokio::spawn(async move { balancer::run(server, balanced, &limits, balancing).await });
    let (mut machines, mut replicas) = tend(machines, replicas, &backends, &tending).await;
    // From here on nobody is started again. First nobody new comes in.
    let mut balancer = balancer;
    let _in_time = tokio::time::timeout(FINISH, &mut balancer).await;
    join_all(replicas.iter_mut().map(Replica::stop)).await;
    if !balancer.is_finished() {
        let _ended = balancer.await;
    }
    machines.stop().await;
    print("Stopped. · 已停止。\n");
    Ok(())
}

async fn start(args: &ClusterArgs, address: SocketAddr) -> Result<(Machines, Vec<Replica>), ClusterError> {
    let machines = Machines::start(&args.data, &args.without).await?;
    let mut environment = machines.environment();
    let mut set = |key: &str, value: String| environment.push((format!("NEBULA_TICKETING__{key}"), value));
    set("HTTP__TRUSTED_PROXIES", "[\"127.0.0.1\"]".to_owned());
    set("PUBLIC_URL", format!("http://{address}"));
    if !address.ip().is_loopback() {
        // Replicas listen on loopback and would give the demo accounts their published passwords.
        set("DEMO", "false".to_owned());
    }
    print(&format!("Starting {} replicas …\n", args.replicas));
    let replicas = replicas(&args.data, args.replicas.into(), args.config.clone(), environment).await?;
    Ok((machines, replicas))
}

/// Starts replicas on a data folder below `folder`; the first one alone, since it makes the tables and the secrets.
pub(crate) async fn replicas(
    folder: &Path,
    count: usize,
    config: Option<PathBuf>,
    environment: Vec<(String, String)>,
) -> Result<Vec<Replica>, ClusterError> {
    let like = Like { data: folder.join("platform"), logs: folder.join("logs"), config, environment };
    make(&like.logs)?;
    let mut replicas = vec![Replica::start(1, &like).await?];
    replicas.extend(try_join_all((2..=count).map(|number| Replica::start(number, &like))).await?);
    Ok(replicas)
}

/// Starts again what ends, until `stopping`.
async fn tend(
    mut machines: Machines,
    mut replicas: Vec<Replica>,
    backends: &Backends,
    stopping: &CancellationToken,
) -> (Machines, Vec<Replica>) {
    let servers = join_all(machines.all.iter_mut().map(|machine| keep(machine, || {})));
    let replicas_kept = replicas.iter_mut().map(|replica| {
        let address = replica.address();
        keep(replica, move || backends.ended(address))
    });
    let all = futures_util::future::join(servers, join_all(replicas_kept));
    let _stopped = stopping.run_until_cancelled(all).await;
    (machines, replicas)
}

/// Starts it again whenever it has ended, of which it tells first.
async fn keep(program: &mut impl Tended, ended: impl Fn()) {
    loop {
        program.ended().await;
        ended();
        let name = program.name();
        print(&format!("{name} has ended and is started again. · {name} 已结束，正在重启。\n"));
        let mut pause = AGAIN;
        while let Err(error) = program.restart().await {
            tracing::warn!(error = chain(&error), "not started again yet");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(AGAIN_AT_MOST);
        }
    }
}

/// The first signal stops in order, the second one ends the program at once, and with it everything that it started.
fn on_signal() -> Result<CancellationToken, ClusterError> {
    let failed = |error| ClusterError::System { what: "signals".to_owned(), error };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let stopping = CancellationToken::new();
    let token = stopping.clone();
    tokio::spawn(async move {
        tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
        print("\nStopping in order; once more to stop at once. · 正在依次停止，再按一次立即停止。\n");
        token.cancel();
        tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
        std::process::exit(130);
    });
    Ok(stopping)
}

fn welcome(args: &ClusterArgs, address: SocketAddr, machines: &Machines, replicas: &[Replica]) -> String {
    let mut text = format!("\n  Nebula Tickets · 星云票务\n\n  Open      打开    http://{address}/\n");
    text.push_str(&format!("  Balancer  均衡    http://{address}/balancer/status\n"));
    for replica in replicas {
        text.push_str(&format!("  {:<17} {}\n", replica.name(), replica.url()));
    }
    for machine in &machines.all {
        text.push_str(&format!("  {:<17} 127.0.0.1:{}\n", machine.name(), machine.port()));
    }
    for kind in &machines.missing {
        let stands_in = match kind {
            MachineKind::Postgres => "not installed: orders are in an SQLite file · 未安装，订单存于 SQLite 文件",
            _ => "not installed: time-outs are in the database · 未安装，超时消息存于数据库",
        };
        text.push_str(&format!("  {:<17} {stands_in}\n", kind.name()));
    }
    text.push_str(&format!("  Data, logs 数据   {}\n", args.data.display()));
    if address.ip().is_loopback() {
        let (buyer, admin, password) = (demo::BUYER_EMAIL, demo::ADMIN_EMAIL, demo::PASSWORD);
        text.push_str(&format!("\n  Accounts  账户    {buyer}, {admin} (password 密码: {password})\n"));
    }
    text.push_str("\n  Ctrl-C stops everything, in order. · 按 Ctrl-C 依次停止。\n\n");
    text
}
