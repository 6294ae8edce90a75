//! `ticketing rush`: a rehearsal of a flash sale against real servers, and a check of what it left behind.
//!
//! All buyers come at once, each wants one seat and goes on trying until it has one or none is left. Some who got a
//! seat do not pay, so that seats come back in the middle of the rush. Everything goes over HTTP, as buyers' browsers
//! would; requests whose answer is lost are repeated with their idempotency key. At the end the session is audited and
//! every order that a buyer saw paid is looked up again.

mod api;
mod buyer;
mod report;
mod servers;
mod stock;

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::{sync::Semaphore, task::JoinSet, time::Instant};

pub use self::report::Report;
use self::{
    api::{Api, Failure},
    buyer::{Buyer, Tally},
    servers::Servers,
    stock::Stock,
};

/// Rehearse a flash sale and check its invariants.
#[derive(Args, Clone, Debug)]
pub struct RushArgs {
    /// Buyers who come at once.
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
    /// How many servers to start. More than one needs a configuration with a shared ledger.
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
    /// The rush's own server did not come up.
    #[error("the server could not be started: {0}")]
    Server(String),
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
    let servers = if args.url.is_empty() {
        Servers::start(args.servers, args.config.as_deref()).await?
    } else {
        Servers::running(args.url.clone())
    };
    let report = rush(&args, servers.urls()).await;
    servers.stop().await;
    report
}

async fn rush(args: &RushArgs, urls: &[String]) -> Result<Report, RushError> {
    let deadline = Instant::now() + Duration::from_secs(args.deadline);
    let api = Api::new(urls, deadline)?;
    let progress = progress(args)?;
    progress.set_message("preparing buyers and seats");
    let admin = api.login(&args.admin, &args.password).await?;
    let rehearsal = api.prepare(&admin, args.users, args.seats, args.hold_seconds).await?;
    let session = rehearsal.session_id;
    let stock = Arc::new(Stock::new(rehearsal.seats));
    let gate = Arc::new(Semaphore::new(args.connections as usize));
    let till = Arc::new(Semaphore::new(args.connections as usize));

    progress.set_message("selling");
    let watching = tokio::spawn(stock::watch(api.clone(), session.clone(), Arc::clone(&stock), progress.clone()));
    let started = Instant::now();
    let mut buyers = JoinSet::new();
    for (number, account) in rehearsal.buyers.into_iter().enumerate() {
        buyers.spawn(
            Buyer {
                number,
                token: account.access_token,
                session: session.clone(),
                api: api.clone(),
                stock: Arc::clone(&stock),
                gate: Arc::clone(&gate),
                till: Arc::clone(&till),
                abandon_percent: args.abandon,
                began: started,
            }
            .shop(),
        );
    }
    let mut tally = Tally::default();
    while let Some(done) = buyers.join_next().await {
        match done {
            Ok(one) => tally.add(one),
            Err(error) => tally.broken(&error.to_string()),
        }
    }
    let selling = started.elapsed();

    progress.set_message("checking");
    // Whoever did not pay loses the seat; then nothing is held any more.
    let rest = Duration::from_secs(args.hold_seconds + 60);
    tally.repeated = api.repeated();
    let audits = api.audit_at_rest(&admin, &session, rest).await?;
    let lost = buyer::lost(&api, &gate, tally.paid()).await?;
    watching.abort();
    progress.finish_and_clear();
    Ok(Report::new(args, urls.len(), selling, tally, &audits, lost))
}

fn progress(args: &RushArgs) -> Result<ProgressBar, RushError> {
    let style = ProgressStyle::with_template("{msg:28} [{bar:40}] {pos}/{len} seats sold  {elapsed}")
        .map_err(|error| RushError::Setup(error.to_string()))?
        .progress_chars("=> ");
    Ok(ProgressBar::new(args.seats.into()).with_style(style))
}
