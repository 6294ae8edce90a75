//! The servers that replicas share, started for a trial: Redis, and PostgreSQL and RabbitMQ where their programs are.

mod postgres;
mod rabbitmq;
mod redis;

use std::{
    ffi::OsString,
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::ExposeSecret;

use super::{
    ClusterError,
    child::{Child, Spec, Tended},
    port,
};
use crate::secret;

/// How long a server may take to come up; RabbitMQ is the slowest.
const START: Duration = Duration::from_secs(180);
/// How long a server may take to end by itself.
const STOP: Duration = Duration::from_secs(20);
/// The password of all of them.
const PASSWORD: &str = "servers.secret";

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum MachineKind {
    /// Seats, locks, rates.
    Redis,
    /// Accounts, orders and money. Without it: an SQLite file.
    Postgres,
    /// Time-outs of orders. Without it: in the database.
    Rabbitmq,
}

impl MachineKind {
    /// What it is called on the command line and in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Postgres => "postgres",
            Self::Rabbitmq => "rabbitmq",
        }
    }
}

/// Where a server runs.
struct Place<'p> {
    kind: MachineKind,
    folder: &'p Path,
    port: u16,
    password: &'p str,
}

impl Place<'_> {
    fn spec(&self, program: PathBuf, arguments: impl IntoIterator<Item = OsString>) -> Spec {
        Spec {
            name: self.kind.name().to_owned(),
            program,
            arguments: arguments.into_iter().collect(),
            environment: Vec::new(),
            folder: self.folder.to_owned(),
            user: None,
        }
    }
}

/// One server. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Machine {
    kind: MachineKind,
    port: u16,
    url: String,
    child: Child,
}

impl Machine {
    async fn start(kind: MachineKind, folder: &Path, password: &str) -> Result<Self, ClusterError> {
        let folder = folder.join(kind.name());
        make(&folder)?;
        let port = port::free().map_err(|error| ClusterError::System { what: "a free port".to_owned(), error })?;
        let place = Place { kind, folder: &folder, port, password };
        let (spec, url) = match kind {
            MachineKind::Redis => (redis::spec(&place)?, redis::url(port, password)),
            MachineKind::Postgres => (postgres::spec(&place).await?, postgres::url(port, password)),
            MachineKind::Rabbitmq => (rabbitmq::spec(&place)?, rabbitmq::url(port, password)),
        };
        let mut machine = Self { kind, port, url, child: Child::start(spec)? };
        machine.ready().await?;
        Ok(machine)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) async fn stop(&mut self) {
        self.child.stop(STOP).await;
    }
}

impl Tended for Machine {
    fn name(&self) -> &str {
        self.kind.name()
    }

    fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    async fn ready(&mut self) -> Result<(), ClusterError> {
        let (kind, url, port) = (self.kind, self.url.clone(), self.port);
        let answers = || async {
            match kind {
                MachineKind::Redis => redis::answers(&url).await,
                MachineKind::Postgres => postgres::answers(&url).await,
                MachineKind::Rabbitmq => rabbitmq::answers(port).await,
            }
        };
        self.child.ready(START, answers).await
    }
}

/// All servers of a trial.
#[derive(Debug)]
pub(crate) struct Machines {
    pub(crate) all: Vec<Machine>,
    /// What was left out because its program is not on this machine.
    pub(crate) missing: Vec<MachineKind>,
}

impl Machines {
    /// Starts Redis, and the others unless they are left out or not installed, each in its own folder below `folder`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future kills what was started.
    pub(crate) async fn start(folder: &Path, without: &[MachineKind]) -> Result<Self, ClusterError> {
        make(folder)?;
        let password = password(folder)?;
        let optional = [(MachineKind::Postgres, postgres::is_here()), (MachineKind::Rabbitmq, rabbitmq::is_here())];
        let wanted = optional.into_iter().filter(|(kind, _)| !without.contains(kind));
        let (here, missing): (Vec<_>, Vec<_>) = wanted.partition(|(_, here)| *here);
        let kinds: Vec<_> = [MachineKind::Redis].into_iter().chain(here.into_iter().map(|(kind, _)| kind)).collect();
        let starts = kinds.iter().map(|kind| Machine::start(*kind, folder, &password));
        let all = futures_util::future::try_join_all(starts).await?;
        Ok(Self { all, missing: missing.into_iter().map(|(kind, _)| kind).collect() })
    }

    /// What a replica has to know, as environment variables.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let mut settings = vec![("LEDGER__PROVIDER", "redis".to_owned())];
        for machine in &self.all {
            let url = machine.url.clone();
            settings.extend(match machine.kind {
                MachineKind::Redis => vec![("REDIS__URL", url)],
                MachineKind::Postgres => vec![
                    ("DATABASE__PROVIDER", "postgres".to_owned()),
                    ("DATABASE__URL", url.clone()),
                    ("AUTH__SESSION__STORE", "postgres".to_owned()),
                    ("AUTH__SESSION__URL", url),
                ],
                MachineKind::Rabbitmq => vec![
                    ("DELAY_QUEUE__PROVIDER", "rabbitmq".to_owned()),
                    ("DELAY_QUEUE__QUEUE_PREFIX", "ticketing".to_owned()),
                    ("DELAY_QUEUE__RABBITMQ__URL", url),
                ],
            });
        }
        settings.into_iter().map(|(key, value)| (format!("NEBULA_TICKETING__{key}"), value)).collect()
    }

    /// All of them, in the order in which replicas stop needing them.
    pub(crate) async fn stop(&mut self) {
        futures_util::future::join_all(self.all.iter_mut().map(Machine::stop)).await;
    }
}

/// Letters and digits only: it stands in addresses and in three kinds of configuration.
fn password(folder: &Path) -> Result<String, ClusterError> {
    let secret = secret::load_or_create(folder, PASSWORD);
    let secret = secret.map_err(|error| ClusterError::System { what: PASSWORD.to_owned(), error })?;
    Ok(secret.expose_secret().chars().filter(char::is_ascii_alphanumeric).collect())
}

/// Others may pass through it, but not look into it: a server may run as another user.
pub(crate) fn make(folder: &Path) -> Result<(), ClusterError> {
    let made = DirBuilder::new().recursive(true).mode(0o711).create(folder);
    made.map_err(|error| ClusterError::System { what: folder.display().to_string(), error })
}
