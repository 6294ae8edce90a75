//! `ticketing rush`: a rehearsal of a flash sale against real servers, and a check of what it left behind.
//!
//! A [`Profile`] says how buyers come. Each wants one seat and goes on trying until it has one or none is left. Some who
//! got a seat do not pay, so that seats come back in the middle of the rush. Everything goes over HTTP, as buyers'
//! browsers would; requests whose answer is lost are repeated with their idempotency key. With `--chaos` servers are
//! killed and started again meanwhile. At the end the sessions are audited and every order that a buyer saw paid is
//! looked up again.

mod api;
mod buyer;
mod chaos;
mod kills;
mod profile;
mod pulse;
mod report;
mod stage;
mod stock;
mod windows;

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::{sync::Semaphore, task::JoinSet, time::Instant};

pub(crate) use self::stage::Stage;
use self::{
    api::{Api, Failure},
    buyer::{Buyer, Tally},
    profile::{Arrival, Entrance, Plan},
    report::Sold,
    stock::Stock,
    windows::Reading,
};
pub use self::{
    chaos::Chaos,
    kills::{Kill, Served},
    profile::Profile,
    report::{Latency, Report, SaleReport},
    windows::Window,
};
use crate::cluster::{ClusterError, MachineKind};

/// Buyers who do not pay, and messages that a killed broker has, need time beyond the hold.
const REST: Duration = Duration::from_secs(180);
/// How long is waited for who comes after the last kill.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// Rehearse a flash sale and check its invariants.
#[derive(Args, Clone, Debug)]
pub struct RushArgs {
    /// How buyers come.
    #[arg(long, value_enum, default_value_t)]
    pub profile: Profile,
    /// Buyers.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub users: u32,
    /// Seats on sale.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub seats: u32,
    /// A running server; several if given more than once. Without it, the rush starts its own on a temporary folder.
    #[arg(long)]
    pub url: Vec<String>,
    /// Configuration of the servers that the rush starts.
    #[arg(long, conflicts_with = "url")]
    pub config: Option<PathBuf>,
    /// How many servers to start. More than one needs a configuration with a shared ledger, or `--chaos`.
    #[arg(long, default_value_t = 1, conflicts_with = "url", value_parser = clap::value_parser!(u16).range(1..=16))]
    pub servers: u16,
    /// Orders in flight at once, and as many payments.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub connections: u32,
    /// Of a hundred buyers who got a seat, this many do not pay.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=90))]
    pub abandon: u32,
    /// How long an unpaid order keeps its seat, in seconds.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub hold_seconds: u64,
    /// Buyers of a show come within this many seconds [default: 10, or as long as the chaos].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub over: Option<u64>,
    /// A flash sale opens this many seconds after it was prepared.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(0..=3_600))]
    pub opens_in: u64,
    /// Kill and restart the servers at random meanwhile: replicas, Redis, and PostgreSQL and RabbitMQ where they are
    /// installed, all of them started by the rush for the purpose.
    #[arg(long, conflicts_with_all = ["url", "config"])]
    pub chaos: bool,
    /// Nothing is killed any more after this many seconds.
    #[arg(long, default_value_t = 60, requires = "chaos", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub chaos_seconds: u64,
    /// One server after another instead of several at once: what each kill cost buyers is then its own.
    #[arg(long, requires = "chaos", conflicts_with = "chaos_seed")]
    pub chaos_in_turn: bool,
    /// Repeats the times of an earlier chaos [default: at random; the report names it].
    #[arg(long, requires = "chaos")]
    pub chaos_seed: Option<u64>,
    /// Servers to do without although they are installed.
    #[arg(long, requires = "chaos", value_delimiter = ',')]
    pub without: Vec<MachineKind>,
    /// Give up after this many seconds.
    #[arg(long, default_value_t = 300)]
    pub deadline: u64,
    /// E-mail address of an administrator of the running server.
    #[arg(long, default_value = crate::demo::ADMIN_EMAIL)]
    pub admin: String,
    /// Password of the administrator.
    #[arg(long, env = "TICKETING_ADMIN_PASSWORD", hide_env_values = true, default_value = crate::demo::PASSWORD, hide_default_value = true)]
    pub password: secrecy::SecretString,
    /// Print the report as JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// Why a rush could not be held, or not judged.
#[derive(Debug, thiserror::Error)]
pub enum RushError {
    /// A server of the rush did not come up.
    #[error(transparent)]
    Server(#[from] ClusterError),
    /// A request of the preparation or of the check failed.
    #[error("{0}")]
    Api(#[from] Failure),
    /// The terminal's or the client's set-up failed.
    #[error("{0}")]
    Setup(String),
}

/// Holds a rush and answers its report; [`Report::sound`] says whether every invariant holds.
///
/// # Errors
///
/// [`RushError`] when the rush could not be held.
///
/// # Cancel safety
///
/// Dropping the future stops the servers that it started.
pub async fn run(args: RushArgs) -> Result<Report, RushError> {
    let mut stage = if args.chaos {
        if args.without.contains(&MachineKind::Redis) {
            return Err(ClusterError::Needed("redis").into());
        }
        Stage::start_with_machines(args.servers, &args.without).await?
    } else if args.url.is_empty() {
        Stage::start(args.servers, args.config.as_deref()).await?
    } else {
        Stage::running(args.url.clone())
    };
    let report = rush(&args, &mut stage).await;
    stage.stop().await;
    report
}

/// A sale that can begin.
struct Sale {
    plan: Plan,
    session: String,
    stock: Arc<Stock>,
    buyers: Vec<api::Account>,
    began: Instant,
}

async fn rush(args: &RushArgs, stage: &mut Stage) -> Result<Report, RushError> {
    let deadline = Instant::now() + Duration::from_secs(args.deadline);
    let (api, servers) = (Api::new(stage.urls(), deadline)?, stage.urls().len());
    let progress = progress(args)?;
    progress.set_message("preparing buyers and seats");
    let admin = api.login(&args.admin, &args.password).await?;
    let mut sales = Vec::new();
    let over = args.over.unwrap_or(if args.chaos { args.chaos_seconds } else { 10 });
    for plan in args.profile.plans(args.users, args.seats, Duration::from_secs(over), args.opens_in) {
        sales.push(prepare(&api, &admin, plan, args.hold_seconds).await?);
    }

    let before = Reading::of(&api).await;
    progress.set_message("selling");
    let sessions: Vec<_> = sales.iter().map(|sale| (sale.plan, sale.session.clone())).collect();
    let watched = sales.iter().map(|sale| (sale.session.clone(), Arc::clone(&sale.stock))).collect();
    let watching = tokio::spawn(stock::watch(api.clone(), watched, progress.clone()));
    let began = sales.iter().map(|sale| sale.began).min().unwrap_or_else(Instant::now);
    let shopping = shop(args, &api, sales);
    let (tallies, chaos) = if args.chaos {
        let (tallies, chaos) = tokio::join!(shopping, torment(args, stage, &api, began));
        (tallies, Some(chaos?))
    } else {
        (shopping.await, None)
    };

    progress.set_message("checking");
    // Whoever did not pay loses the seat; then nothing is held any more.
    let rest = Duration::from_secs(args.hold_seconds) + REST;
    let repeated = api.repeated();
    let gate = Semaphore::new(args.connections as usize);
    let mut sold = Vec::new();
    for ((plan, session), (tally, took)) in sessions.into_iter().zip(tallies) {
        let audits = api.audit_at_rest(&admin, &session, rest).await?;
        let lost = buyer::lost(&api, &gate, tally.paid()).await?;
        sold.push(Sold { plan, tally, took, audits, lost });
    }
    watching.abort();
    progress.finish_and_clear();
    let windows = Reading::of(&api).await.since(&before);
    Ok(Report::new(servers, sold, repeated, windows, chaos))
}

/// Kills servers, and says what it meant to buyers.
async fn torment(args: &RushArgs, stage: &mut Stage, api: &Api, began: Instant) -> Result<Chaos, RushError> {
    let targets = stage.targets().iter().map(stage::Target::name).collect();
    let until = Instant::now() + Duration::from_secs(args.chaos_seconds);
    let seed = args.chaos_seed.unwrap_or_else(rand::random);
    let strikes = if args.chaos_in_turn {
        chaos::strike_in_turn(stage, until).await?
    } else {
        chaos::strike(stage, seed, until).await?
    };
    // Somebody has to come after the last one as well.
    tokio::time::sleep(AFTERWARDS).await;
    let kills = strikes.iter().map(|strike| Kill::of(strike, began, api.orders(), api.reads())).collect();
    Ok(Chaos::new(seed, targets, kills))
}

async fn prepare(api: &Api, admin: &secrecy::SecretString, plan: Plan, hold_seconds: u64) -> Result<Sale, RushError> {
    let opens_in = match plan.arrival {
        Arrival::Over(_) => 0,
        Arrival::AtOpening(seconds) => seconds,
    };
    let rehearsal = api.prepare(admin, plan.users, plan.seats, hold_seconds, opens_in).await?;
    let began = Instant::now() + Duration::from_millis(rehearsal.opens_in_ms);
    let stock = Arc::new(Stock::new(rehearsal.seats));
    Ok(Sale { plan, session: rehearsal.session_id, stock, buyers: rehearsal.buyers, began })
}

/// Lets everybody shop, and answers for each sale what they did and how long it took.
async fn shop(args: &RushArgs, api: &Api, sales: Vec<Sale>) -> Vec<(Tally, Duration)> {
    let gate = Arc::new(Semaphore::new(args.connections as usize));
    let till = Arc::new(Semaphore::new(args.connections as usize));
    let shopping = sales.into_iter().map(|sale| {
        let mut buyers = JoinSet::new();
        for (number, account) in sale.buyers.into_iter().enumerate() {
            buyers.spawn(
                Buyer {
                    number,
                    token: account.access_token,
                    session: sale.session.clone(),
                    api: api.clone(),
                    stock: Arc::clone(&sale.stock),
                    gate: Arc::clone(&gate),
                    till: Arc::clone(&till),
                    abandon_percent: args.abandon,
                    began: sale.began,
                    entrance: Entrance::new(sale.plan.arrival, sale.began),
                }
                .shop(),
            );
        }
        async move {
            let mut tally = Tally::default();
            while let Some(done) = buyers.join_next().await {
                match done {
                    Ok(one) => tally.add(one),
                    Err(error) => tally.broken(&error.to_string()),
                }
            }
            (tally, sale.began.elapsed())
        }
    });
    futures_util::future::join_all(shopping).await
}

fn progress(args: &RushArgs) -> Result<ProgressBar, RushError> {
    let style = ProgressStyle::with_template("{msg:28} [{bar:40}] {pos}/{len} seats sold  {elapsed}")
        .map_err(|error| RushError::Setup(error.to_string()))?
        .progress_chars("=> ");
    Ok(ProgressBar::new(args.seats.into()).with_style(style))
}
