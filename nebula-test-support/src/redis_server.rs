//! A real `redis-server`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use crate::error::StartError;
use crate::port::{BUS, ReservedPort};
use crate::process::{Probe, ServerProcess, ServerSpec};

const SENTINEL_FILE: &str = "sentinel.conf";

/// What [`RedisServer`] can be started with.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use nebula_test_support::RedisServer;
///
/// let server = RedisServer::options().append_only().password("secret").start().await;
/// assert!(server.url().starts_with("redis://:secret@127.0.0.1:"));
/// # });
/// ```
#[derive(Debug, Clone, Default)]
pub struct RedisOptions {
    append_only: bool,
    password: Option<String>,
    port: Option<u16>,
    tls: Option<TlsFiles>,
    args: Vec<String>,
    cluster: bool,
    /// The text of a configuration file, for a sentinel: it writes what it learns into that file.
    sentinel: Option<String>,
}

/// What a server needs to speak TLS.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The authority that all servers of a group trust.
    pub ca: PathBuf,
    /// The certificate of the servers.
    pub cert: PathBuf,
    /// The key of the servers.
    pub key: PathBuf,
}

impl RedisOptions {
    /// Every write is in the append-only file, synced, before it is answered: a restart loses nothing.
    #[must_use]
    pub fn append_only(mut self) -> Self {
        self.append_only = true;
        self
    }

    /// Demands a password (letters and digits, it goes into the URL as it is).
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Listens on this port rather than on a free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Listens with TLS on a second port as well, which it tells others about, and speaks TLS with other servers: replicas, nodes of a
    /// cluster (named `localhost`) and sentinels. It asks nobody for a certificate.
    #[must_use]
    pub fn tls(mut self, files: TlsFiles) -> Self {
        self.tls = Some(files);
        self
    }

    /// Adds arguments as they stand on the command line, for example `["--maxmemory", "2mb"]`.
    #[must_use]
    pub fn args<I: IntoIterator<Item = A>, A: Into<String>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    pub(crate) fn demanded_password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// A node of a cluster, which knows no other node yet.
    pub(crate) fn cluster(mut self) -> Self {
        self.cluster = true;
        self
    }

    /// A sentinel with these lines in its configuration.
    pub(crate) fn sentinel(mut self, lines: impl Into<String>) -> Self {
        self.sentinel = Some(lines.into());
        self
    }

    /// Starts the server.
    ///
    /// # Panics
    /// When it cannot be started; the message holds the end of the server's log.
    ///
    /// # Cancel safety
    /// Dropping the future kills the server.
    pub async fn start(self) -> RedisServer {
        match self.try_start().await {
            Ok(server) => server,
            Err(error) => panic!("no redis-server for this test: {error}"),
        }
    }

    /// Starts the server.
    ///
    /// # Errors
    /// [`StartError`].
    ///
    /// # Cancel safety
    /// Dropping the future kills the server.
    pub async fn try_start(self) -> Result<RedisServer, StartError> {
        for _ in 0..10 {
            match self.attempt().await {
                // Somebody outside this project took the port between our look and the server's bind.
                Err(error) if error.port_taken() && self.port.is_none() => {}
                result => return result,
            }
        }
        self.attempt().await
    }

    async fn attempt(&self) -> Result<RedisServer, StartError> {
        let port = match self.port {
            Some(number) => ReservedPort::claim(number)
                .map_err(StartError::os("claim a port"))?
                .ok_or_else(|| StartError::os(format!("claim port {number}"))(std::io::ErrorKind::AddrInUse.into()))?,
            None if self.cluster => ReservedPort::pick_with_bus().map_err(StartError::os("claim a port"))?,
            None => ReservedPort::pick().map_err(StartError::os("claim a port"))?,
        };
        let tls_port = match &self.tls {
            Some(_) => Some(ReservedPort::pick().map_err(StartError::os("claim a port"))?),
            None => None,
        };
        let folder = tempfile::Builder::new().prefix("nebula-redis-").tempdir();
        let folder = folder.map_err(StartError::os("create a temporary folder"))?;
        self.write_configuration(folder.path()).map_err(StartError::os("write the configuration"))?;
        let spec = ServerSpec::new("redis-server", folder.path())
            .args(self.arguments(port.number()))
            .args(self.tls_arguments(port.number(), tls_port.as_ref().map(ReservedPort::number)))
            .probe(probe(self.url(port.number())))
            .scrap_folder();
        let process = ServerProcess::start(spec).await?;
        Ok(RedisServer { process, options: self.clone(), port, tls_port, folder })
    }

    fn write_configuration(&self, folder: &Path) -> std::io::Result<()> {
        match &self.sentinel {
            Some(lines) => std::fs::write(folder.join(SENTINEL_FILE), lines),
            None => Ok(()),
        }
    }

    fn arguments(&self, port: u16) -> Vec<String> {
        let port = port.to_string();
        if self.sentinel.is_some() {
            let mut args: Vec<String> =
                [SENTINEL_FILE, "--sentinel", "--port", &port, "--bind", "127.0.0.1"].map(str::to_owned).to_vec();
            if let Some(password) = &self.password {
                args.extend(["--requirepass".to_owned(), password.clone()]);
            }
            return args;
        }
        let append_only = if self.append_only { "yes" } else { "no" };
        let mut args: Vec<String> = [
            "--port",
            &port,
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            append_only,
            "--appendfsync",
            "always",
        ]
        .map(str::to_owned)
        .to_vec();
        if let Some(password) = &self.password {
            args.extend(["--requirepass".to_owned(), password.clone(), "--masterauth".to_owned(), password.clone()]);
        }
        if self.cluster {
            args.extend(["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"].map(str::to_owned));
        }
        args.extend(self.args.iter().cloned());
        args
    }

    fn tls_arguments(&self, port: u16, tls_port: Option<u16>) -> Vec<String> {
        let (Some(files), Some(tls_port)) = (&self.tls, tls_port) else { return Vec::new() };
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut pairs = vec![
            ("--tls-port", tls_port.to_string()),
            ("--tls-ca-cert-file", text(&files.ca)),
            ("--tls-cert-file", text(&files.cert)),
            ("--tls-key-file", text(&files.key)),
            ("--tls-auth-clients", "no".to_owned()),
            ("--tls-replication", "yes".to_owned()),
        ];
        if self.cluster {
            pairs.push(("--tls-cluster", "yes".to_owned()));
            // The bus stays where it is without TLS, beside the first port.
            pairs.push(("--cluster-port", (port + BUS).to_string()));
            pairs.push(("--cluster-announce-hostname", "localhost".to_owned()));
        }
        pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }

    fn url(&self, port: u16) -> String {
        match &self.password {
            Some(password) => format!("redis://:{password}@127.0.0.1:{port}/"),
            None => format!("redis://127.0.0.1:{port}/"),
        }
    }
}

/// A `redis-server` child process on a private port and in a private folder. Dropping it kills it and deletes the folder.
#[derive(Debug)]
pub struct RedisServer {
    // The order matters: the server has to be gone before its folder and its port are given away.
    process: ServerProcess,
    options: RedisOptions,
    port: ReservedPort,
    tls_port: Option<ReservedPort>,
    folder: TempDir,
}

impl RedisServer {
    /// A server without persistence and without password.
    ///
    /// # Panics
    /// When it cannot be started.
    ///
    /// # Cancel safety
    /// Dropping the future kills the server.
    pub async fn start() -> Self {
        Self::options().start().await
    }

    /// A server with options.
    #[must_use]
    pub fn options() -> RedisOptions {
        RedisOptions::default()
    }

    /// Where to connect, with the password if there is one.
    #[must_use]
    pub fn url(&self) -> String {
        self.options.url(self.port())
    }

    /// Where to connect, going through somebody else's port, for example that of a [`TcpProxy`](crate::TcpProxy).
    #[must_use]
    pub fn url_via(&self, port: u16) -> String {
        self.options.url(port)
    }

    /// The port on 127.0.0.1; it stays the same over restarts.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The port for TLS, if it was started with certificates.
    #[must_use]
    pub fn tls_port(&self) -> Option<u16> {
        self.tls_port.as_ref().map(ReservedPort::number)
    }

    /// The port that other servers know it by.
    pub(crate) fn known_port(&self) -> u16 {
        self.tls_port().unwrap_or_else(|| self.port())
    }

    /// Process id of the server.
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

    /// Freezes the server (SIGSTOP): connections stay open, nobody answers.
    pub fn stop(&self) {
        self.process.stop();
    }

    /// Continues a frozen server (SIGCONT).
    pub fn cont(&self) {
        self.process.cont();
    }

    /// Kills the server (SIGKILL) and returns when it is gone. Its data stay.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts the server again on the same port and the same data, killing it first if it runs.
    ///
    /// # Panics
    /// When it cannot be started.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the server killed or starting.
    pub async fn restart(&mut self) {
        if let Err(error) = self.process.restart().await {
            panic!("redis-server did not come back: {error}");
        }
    }

    /// Starts the server again on the same port with all data gone.
    ///
    /// # Panics
    /// When it cannot be started or its files cannot be deleted.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the server killed or starting.
    pub async fn restart_empty(&mut self) {
        self.process.kill();
        for entry in std::fs::read_dir(self.folder.path()).into_iter().flatten().flatten() {
            let path = entry.path();
            let gone = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            assert!(gone.is_ok(), "cannot delete {}: {gone:?}", path.display());
        }
        if let Err(error) = self.options.write_configuration(self.folder.path()) {
            panic!("cannot write the configuration: {error}");
        }
        self.restart().await;
    }

    /// The last lines of the server's log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.process.log_tail()
    }
}

/// Ready means: answers `INFO server` with the process id of our child, and has loaded its data.
fn probe(url: String) -> Probe {
    Arc::new(move |pid| {
        let url = url.clone();
        Box::pin(async move { ask(&url, pid).await.map_err(|error| error.to_string()) })
    })
}

async fn ask(url: &str, pid: u32) -> redis::RedisResult<()> {
    let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    redis::cmd("PING").exec_async(&mut connection).await?;
    let info: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await?;
    let wanted = format!("process_id:{pid}");
    if info.lines().any(|line| line.trim() == wanted) {
        Ok(())
    } else {
        Err((redis::ErrorKind::Client, "another redis-server answers on this port").into())
    }
}
