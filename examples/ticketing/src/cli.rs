//! The command line.

use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand};
use tokio_util::sync::CancellationToken;

use crate::{
    archive::Archive,
    backup, cluster,
    config::{CommonArgs, Config, ConfigError, DatabaseProvider},
    delivery::Delivery,
    ids::{PLATFORM, UserId},
    import,
    merchant::Merchants,
    office::{MERCHANT_ROLES, Office},
    online,
    personal::Vault,
    rush,
    storage::Database,
    telemetry::LogConfig,
    user::{Letter, Letters, Users, email, forget_second_factor},
};

/// A ticketing platform in one program. Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "ticketing", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(flatten)]
    serve: ServeArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the shop (the default).
    Serve(ServeArgs),
    /// Import real data.
    Import {
        /// What to import.
        #[command(subcommand)]
        what: Import,
    },
    /// Rehearse a flash sale and check that nothing was sold twice.
    Rush(rush::RushArgs),
    /// Start several servers, what they share, and a balancer, all on this machine: for a trial.
    Cluster(cluster::ClusterArgs),
    /// Hold idle connections and event streams to one or several servers, and measure what they cost.
    Online(online::OnlineArgs),
    /// Hold the connections of one process of `online`.
    #[command(hide = true)]
    OnlineClient(online::ClientArgs),
    /// Give an account a role in the back office. A server may be running.
    Appoint(AppointArgs),
    /// Remove the second factor of an account, whose owner lost phone and recovery codes. A server may be running.
    ForgetSecondFactor(AccountArgs),
    /// Copy everything that has to last. Servers may be running.
    Backup(backup::BackupArgs),
    /// Put a copy into an empty data folder, and into an empty database.
    Restore(backup::RestoreArgs),
    /// Move what is over and old enough into the archive now. Servers may be running.
    Archive(CommonArgs),
    /// Remove the platform's data and start over with the next `serve`.
    Reset(ResetArgs),
}

/// What can be imported.
#[derive(Debug, Subcommand)]
pub enum Import {
    /// A seating plan of the pretix seating-plan editor (JSON), put on sale at once. A server may be running.
    SeatingPlan(Box<import::Args>),
}

/// How to serve.
#[derive(Args, Clone, Debug, Default)]
pub struct ServeArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Address and port to listen on [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Port to listen on; 0 takes any free one.
    #[arg(long)]
    port: Option<u16>,
}

/// Whom to appoint.
#[derive(Args, Clone, Debug)]
pub struct AppointArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// E-mail address of an account that has registered.
    email: String,
    /// The role, for example `platform-operations`.
    role: String,
    /// The merchant whose staff they are, for roles that merchants give.
    #[arg(long, default_value = PLATFORM)]
    merchant: String,
}

/// Whose account.
#[derive(Args, Clone, Debug)]
pub struct AccountArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// E-mail address of the account.
    email: String,
}

/// What to reset.
#[derive(Args, Clone, Debug)]
pub struct ResetArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

impl ServeArgs {
    fn load(&self) -> Result<Config, ConfigError> {
        let mut config = self.common.load()?;
        if let Some(listen) = self.listen {
            config.listen = listen;
        }
        if let Some(port) = self.port {
            config.listen.set_port(port);
        }
        Ok(config)
    }
}

/// Any failure, for the person at the terminal.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Does what the command line says. The answer is the exit code of the process.
///
/// # Errors
///
/// What went wrong, for the person at the terminal.
///
/// # Cancel safety
///
/// Dropping the future breaks off what is in progress.
pub async fn run(cli: Cli) -> Result<std::process::ExitCode, Failure> {
    use std::process::ExitCode;

    crate::descriptors::raise();
    match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => {
            let config = args.load()?;
            let traces = crate::telemetry::init_with_traces(&config.log, &config.trace)?;
            let drain = config.http.drain;
            let served = crate::serve::serve(config).await;
            traces.shutdown(drain).await;
            served?;
        }
        Command::Import { what: Import::SeatingPlan(args) } => {
            crate::telemetry::init(&LogConfig::quiet())?;
            import::run(&args).await?;
        }
        Command::Rush(args) => {
            crate::telemetry::init(&LogConfig::quiet())?;
            let json = args.json;
            let report = rush::run(args).await?;
            if json {
                println!("{}", serde_json::to_string_pretty(&report)?);
            } else {
                println!("{report}");
            }
            return Ok(if report.sound { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::Online(args) => {
            crate::telemetry::init(&LogConfig::quiet())?;
            let json = args.json;
            let report = online::run(args).await?;
            if json {
                println!("{}", serde_json::to_string_pretty(&report)?);
            } else {
                println!("{report}");
            }
            return Ok(if report.sound { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::OnlineClient(args) => online::hold(args).await?,
        Command::Cluster(args) => {
            crate::telemetry::init(&LogConfig::default())?;
            cluster::run(args).await?;
        }
        Command::Appoint(args) => appoint(&args).await?,
        Command::ForgetSecondFactor(args) => forget_factor(&args).await?,
        Command::Backup(args) => println!("Copied to {}.", backup::backup(&args).await?.display()),
        Command::Restore(args) => {
            backup::restore(&args).await?;
            println!("Restored. Start the servers, and audit the sessions on sale.");
        }
        Command::Archive(args) => {
            let config = args.load()?;
            crate::telemetry::init(&LogConfig::quiet())?;
            archive(&config).await?;
        }
        Command::Reset(args) => reset(&args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The accounts, and the one of this address.
async fn account(common: &CommonArgs, address: &str) -> Result<(Config, Database, Users, UserId), Failure> {
    let config = common.load()?;
    crate::folder::make(&config.data)?;
    let database = Database::of(&config.database, &config.data).await?;
    let vault = Vault::open(&config.personal_data, &config.data, &database).await?;
    let users = Users::open(&config.auth, &config.data, database.clone(), vault, None).await?;
    let address = email::canonical(address).ok_or("this is not an e-mail address")?;
    let user = users.id_of(&address).await?.ok_or("nobody has registered with this e-mail address")?;
    Ok((config, database, users, user))
}

async fn forget_factor(args: &AccountArgs) -> Result<(), Failure> {
    let (config, database, users, user) = account(&args.common, &args.email).await?;
    if !users.has_second_factor(user).await? {
        return Err("this account has no second factor".into());
    }
    let user = users.user(user).await?.ok_or("the account is gone")?;
    let office = Office::open(&config.data, &database).await?;
    // The development outbox is in the memory of servers: what this process would show there nobody sees.
    let delivery = Delivery::new(config.notification.clone(), false)?;
    let letters = Letters::open(&delivery, config.url(config.listen)).await?;
    forget_second_factor(&users, &office, &user, "command line").await?;
    if letters.delivers()
        && let Err(problem) = letters.send(Letter::SecondFactorOff, &user.email, user.language, None).await
    {
        eprintln!("The owner was not told: {}.", crate::problem::chain(&problem));
    }
    println!("{} signs in without a second factor now, and is signed out everywhere.", args.email);
    Ok(())
}

async fn appoint(args: &AppointArgs) -> Result<(), Failure> {
    let (config, database, _, user) = account(&args.common, &args.email).await?;
    let office = Office::open(&config.data, &database).await?;
    match args.role.as_str() {
        "general-agent" => office.assign_agent(user).await?,
        role if MERCHANT_ROLES.contains(&role) => {
            let merchant: nebula_tenant::TenantId = args
                .merchant
                .parse()
                .map_err(|error: nebula_tenant::InvalidTenantId| format!("--merchant: {error}"))?;
            Merchants::open(&database, None).await?.get(&merchant).await?;
            office.employ(user, &merchant, role).await?;
        }
        role => office.assign(user, role, "command line").await?,
    }
    println!("{} now has the role {}.", args.email, args.role);
    Ok(())
}

async fn archive(config: &Config) -> Result<(), Failure> {
    let database = Database::of(&config.database, &config.data).await?;
    let archive = Archive::new(database, config.archive.clone(), config.sales.show_length);
    let progress = |all: crate::archive::Archived| {
        crate::serve::print(&format!("{} orders are in the archive, with {} rows …\n", all.orders, all.rows));
    };
    let all = archive.run(&CancellationToken::new(), progress).await?;
    println!("Archived {} orders, with {} rows in all.", all.orders, all.rows);
    Ok(())
}

async fn reset(args: &ResetArgs) -> Result<(), Failure> {
    use std::io::{BufRead, IsTerminal, Write};

    let config = args.common.load()?;
    let server = config.database.provider == DatabaseProvider::Postgres;
    let place = format!("{}{}", config.data.display(), if server { " and in the PostgreSQL database" } else { "" });
    if !server && !config.data.exists() {
        println!("There is no data in {place}.");
        return Ok(());
    }
    if !args.yes {
        if !std::io::stdin().is_terminal() {
            return Err("nobody is there to be asked: add --yes to remove the data".into());
        }
        print!("Remove all accounts, shows and orders in {place}? [y/N] ");
        std::io::stdout().flush()?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        if !matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
            println!("Nothing was removed.");
            return Ok(());
        }
    }
    // Also makes sure that no server runs on this folder.
    crate::folder::clear(&config.data, &config.database_path(), config.pictures_path().as_deref())?;
    Database::clear(&config.database).await?;
    println!("Removed. The next start begins afresh.");
    Ok(())
}
