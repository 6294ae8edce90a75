//! A real `rabbitmq-server`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

use crate::error::StartError;
use crate::port::ReservedPort;
use crate::process::{Probe, ServerProcess, ServerSpec};

/// Environment variable that names a RabbitMQ broker to use instead of starting one.
pub const AMQP_URL_VARIABLE: &str = "NEBULA_TEST_AMQP_URL";

/// Debian's programs on the PATH change to a system user and its folders; the ones behind them do as they are told.
const BEHIND_THE_WRAPPERS: &str = "/usr/lib/rabbitmq/bin";

/// What every broker is started with. A small write-ahead log, because each broker writes its own.
const CONFIG: &str = "loopback_users = none\nlog.console.level = warning\nlog.file = false\n\
                      disk_free_limit.absolute = 50MB\nraft.wal_max_size_bytes = 33554432\n";

static SHARED: OnceCell<RabbitMq> = OnceCell::const_new();

/// URL of a broker that this process shares: the one that [`AMQP_URL_VARIABLE`] names, else one that is started at the
/// first call and lives as long as the process.
///
/// Tests keep apart by [`unique`](crate::unique) names. A test that kills, freezes or blocks starts its own [`RabbitMq`].
///
/// # Panics
/// When the broker cannot be started.
///
/// # Cancel safety
/// Dropping the future is harmless; the next caller starts the broker.
pub async fn amqp_url() -> String {
    match std::env::var(AMQP_URL_VARIABLE) {
        Ok(url) if !url.is_empty() => url,
        _ => SHARED.get_or_init(RabbitMq::start).await.url(),
    }
}

/// A RabbitMQ broker as a child process: own node name, ports, cookie, folder and port mapper. Dropping it kills it and
/// all that it started, and deletes the folder.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use nebula_test_support::RabbitMq;
///
/// let broker = RabbitMq::start().await;
/// let url = broker.vhost("mine").await;
/// assert!(url.starts_with("amqp://guest:guest@127.0.0.1:") && url.ends_with("/mine"));
/// assert!(broker.ctl(&["list_vhosts"]).await.contains("mine"));
/// # });
/// ```
#[derive(Debug)]
pub struct RabbitMq {
    // The order matters: the broker has to be gone before its folder and its ports are given away.
    process: ServerProcess,
    ports: Ports,
    folder: TempDir,
}

#[derive(Debug)]
struct Ports {
    amqp: ReservedPort,
    mapper: ReservedPort,
    distribution: ReservedPort,
}

impl Ports {
    fn pick() -> Result<Self, StartError> {
        let pick = || ReservedPort::pick().map_err(StartError::os("claim a port"));
        Ok(Self { amqp: pick()?, mapper: pick()?, distribution: pick()? })
    }

    fn node(&self) -> String {
        format!("nebula-{}@localhost", self.amqp.number())
    }
}

impl RabbitMq {
    /// A broker with nothing but the virtual host `/`.
    ///
    /// # Panics
    /// When it cannot be started; the message holds the end of the broker's log.
    ///
    /// # Cancel safety
    /// Dropping the future kills the broker.
    pub async fn start() -> Self {
        match Self::try_start().await {
            Ok(broker) => broker,
            Err(error) => panic!("no rabbitmq-server for this test: {error}"),
        }
    }

    /// As [`start`](Self::start).
    ///
    /// # Errors
    /// [`StartError`].
    ///
    /// # Cancel safety
    /// Dropping the future kills the broker.
    pub async fn try_start() -> Result<Self, StartError> {
        for _ in 0..5 {
            match Self::attempt().await {
                Err(error) if error.port_taken() => {}
                result => return result,
            }
        }
        Self::attempt().await
    }

    async fn attempt() -> Result<Self, StartError> {
        let ports = Ports::pick()?;
        let folder = tempfile::Builder::new().prefix("nebula-rabbitmq-").tempdir();
        let folder = folder.map_err(StartError::os("create a temporary folder"))?;
        let config = folder.path().join("rabbitmq.conf");
        std::fs::write(&config, format!("{CONFIG}cluster_name = {}\n", ports.node()))
            .map_err(StartError::os(format!("write {}", config.display())))?;
        let server = program("rabbitmq-server");
        // The port mapper stays in the foreground of the same process group, so that it dies together with the broker.
        let script = format!("epmd -port {} & exec \"$1\"", ports.mapper.number());
        let mut spec = ServerSpec::new("sh", folder.path())
            .args(["-c".into(), script.into(), "rabbitmq".into(), server.into_os_string()])
            // Makes the broker's script become the broker, so that signals reach the right process.
            .env("RUNNING_UNDER_SYSTEMD", "1")
            .probe(probe(ports.amqp.number(), ports.node()))
            .ready_within(Duration::from_secs(120))
            .scrap_folder();
        for (name, value) in environment(&ports, folder.path()) {
            spec = spec.env(name, value);
        }
        let process = ServerProcess::start(spec).await?;
        Ok(Self { process, ports, folder })
    }

    /// Where to connect, to the virtual host `/`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_via(self.port())
    }

    /// As [`url`](Self::url), going through somebody else's port, for example that of a [`TcpProxy`](crate::TcpProxy).
    #[must_use]
    pub fn url_via(&self, port: u16) -> String {
        format!("amqp://guest:guest@127.0.0.1:{port}/%2f")
    }

    /// Creates a virtual host (letters, digits, `-`) and says where to connect to it.
    ///
    /// # Panics
    /// When it cannot be created.
    ///
    /// # Cancel safety
    /// Dropping the future leaves open whether it was created.
    pub async fn vhost(&self, name: &str) -> String {
        self.ctl(&["add_vhost", name]).await;
        self.ctl(&["set_permissions", "-p", name, "guest", ".*", ".*", ".*"]).await;
        format!("amqp://guest:guest@127.0.0.1:{}/{name}", self.port())
    }

    /// Raises the memory alarm: the broker stops reading from connections that publish.
    ///
    /// # Panics
    /// When the broker does not answer.
    ///
    /// # Cancel safety
    /// Dropping the future leaves open whether the alarm was raised.
    pub async fn raise_memory_alarm(&self) {
        self.ctl(&["set_vm_memory_high_watermark", "0.000001"]).await;
    }

    /// Clears the memory alarm.
    ///
    /// # Panics
    /// When the broker does not answer.
    ///
    /// # Cancel safety
    /// Dropping the future leaves open whether the alarm was cleared.
    pub async fn clear_memory_alarm(&self) {
        self.ctl(&["set_vm_memory_high_watermark", "0.6"]).await;
    }

    /// Runs `rabbitmqctl` and returns what it prints.
    ///
    /// # Panics
    /// When it fails.
    ///
    /// # Cancel safety
    /// Dropping the future kills the tool; the broker may carry the command out nevertheless.
    pub async fn ctl(&self, arguments: &[&str]) -> String {
        let mut command = tokio::process::Command::new(program("rabbitmqctl"));
        command.envs(environment(&self.ports, self.folder.path())).current_dir(self.folder.path());
        command.args(["--quiet", "--node", &self.ports.node()]).args(arguments).kill_on_drop(true);
        match command.output().await {
            Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).into_owned(),
            Ok(output) => panic!(
                "rabbitmqctl {arguments:?}: {}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            ),
            Err(error) => panic!("rabbitmqctl {arguments:?}: {error}"),
        }
    }

    /// The port on 127.0.0.1; it stays the same over restarts.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports.amqp.number()
    }

    /// Process id of the broker.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The folder with its data and its log.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Whether the process runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.process.is_running()
    }

    /// Freezes the broker (SIGSTOP): connections stay open, nobody answers.
    pub fn stop(&self) {
        self.process.stop();
    }

    /// Continues a frozen broker (SIGCONT).
    pub fn cont(&self) {
        self.process.cont();
    }

    /// Kills the broker (SIGKILL) and returns when it is gone. Its data stay.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts the broker again on the same ports and the same data, killing it first if it runs.
    ///
    /// # Panics
    /// When it cannot be started.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the broker killed or starting.
    pub async fn restart(&mut self) {
        if let Err(error) = self.process.restart().await {
            panic!("rabbitmq-server did not come back: {error}");
        }
    }

    /// The last lines of the broker's log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.process.log_tail()
    }
}

fn program(name: &str) -> PathBuf {
    let direct = Path::new(BEHIND_THE_WRAPPERS).join(name);
    if direct.is_file() { direct } else { name.into() }
}

/// Everything that would otherwise come from, or go to, the machine's own broker.
fn environment(ports: &Ports, folder: &Path) -> Vec<(&'static str, String)> {
    let file = |name: &str| folder.join(name).display().to_string();
    vec![
        ("HOME", file("")),
        ("ERL_EPMD_PORT", ports.mapper.number().to_string()),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
        ("RABBITMQ_NODENAME", ports.node()),
        ("RABBITMQ_NODE_PORT", ports.amqp.number().to_string()),
        ("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".to_owned()),
        ("RABBITMQ_DIST_PORT", ports.distribution.number().to_string()),
        ("RABBITMQ_MNESIA_BASE", file("data")),
        ("RABBITMQ_LOG_BASE", file("log")),
        ("RABBITMQ_LOGS", "-".to_owned()),
        ("RABBITMQ_PID_FILE", file("pid")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", file("plugins")),
        ("RABBITMQ_CONF_ENV_FILE", "/dev/null".to_owned()),
        ("RABBITMQ_CONFIG_FILE", file("rabbitmq")),
        // What was on its way from a delay to its queue when the broker died is sent again after this long; the default is
        // three minutes.
        (
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "-rabbit dead_letter_worker_publisher_confirm_timeout 30000".to_owned(),
        ),
    ]
}

/// Ready means: greets in AMQP with the cluster name that we gave it. It listens only once everything is up.
fn probe(port: u16, node: String) -> Probe {
    Arc::new(move |_| {
        let node = node.clone();
        Box::pin(async move { greet(port, &node).await.map_err(|error| error.to_string()) })
    })
}

async fn greet(port: u16, node: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"AMQP\x00\x00\x09\x01").await?;
    let mut greeting = [0; 1024];
    let mut length = 0;
    while length < greeting.len() {
        match stream.read(&mut greeting[length..]).await? {
            0 => break,
            more => length += more,
        }
        if greeting[..length].windows(node.len()).any(|window| window == node.as_bytes()) {
            return Ok(());
        }
    }
    Err(std::io::Error::other("another broker answers on this port"))
}
