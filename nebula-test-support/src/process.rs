//! A server as a child process that never outlives the test process.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal};

use crate::error::StartError;
use crate::user::User;

const SUPERVISOR: &str = include_str!("supervisor.sh");

/// Answers whether the server with this process id is ready; `Err` says why not yet.
///
/// A probe should make sure that it talks to *this* process (and not to a stranger that took the port).
pub type Probe = Arc<dyn Fn(u32) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync + 'static>;

/// How to run one server: what [`ServerProcess::start`] needs to know.
///
/// ```
/// use std::sync::Arc;
/// use nebula_test_support::ServerSpec;
///
/// let spec = ServerSpec::new("redis-server", "/tmp/some-folder")
///     .args(["--port", "7777"])
///     .env("LANG", "C")
///     .run_as("redis")
///     .probe(Arc::new(|_pid| Box::pin(async {
///         tokio::net::TcpStream::connect("127.0.0.1:7777").await.map(drop).map_err(|error| error.to_string())
///     })));
/// # let _ = spec;
/// ```
#[derive(Clone)]
pub struct ServerSpec {
    pub(crate) program: OsString,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) folder: PathBuf,
    pub(crate) run_as: Option<String>,
    pub(crate) probe: Probe,
    pub(crate) ready_within: Duration,
    pub(crate) scrap_folder: bool,
}

impl std::fmt::Debug for ServerSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerSpec")
            .field("program", &self.program)
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl ServerSpec {
    /// A server that runs `program` (searched on the PATH) in `folder`, where its log is written to `server.log`.
    pub fn new(program: impl Into<OsString>, folder: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            folder: folder.into(),
            run_as: None,
            probe: Arc::new(|_| Box::pin(async { Ok(()) })),
            ready_within: Duration::from_secs(30),
            scrap_folder: false,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item = A>, A: Into<OsString>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable of the server.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// The user to run as when the test process is root: for servers that refuse root. The folder is handed to that
    /// user. Without effect when the test process is not root.
    #[must_use]
    pub fn run_as(mut self, user: impl Into<String>) -> Self {
        self.run_as = Some(user.into());
        self
    }

    /// How to find out that the server is ready. Without a probe it counts as ready once it was started.
    #[must_use]
    pub fn probe(mut self, probe: Probe) -> Self {
        self.probe = probe;
        self
    }

    /// How long the server may take to get ready (default 30 s).
    #[must_use]
    pub fn ready_within(mut self, time: Duration) -> Self {
        self.ready_within = time;
        self
    }

    /// Delete the folder when the test process dies without having stopped the server.
    #[must_use]
    pub fn scrap_folder(mut self) -> Self {
        self.scrap_folder = true;
        self
    }
}

/// A running server. Dropping it kills the server and everything that the server started.
#[derive(Debug)]
pub struct ServerProcess {
    spec: ServerSpec,
    pid: Pid,
    supervisor: Child,
    /// Closing this is what kills the server.
    lifeline: Option<ChildStdin>,
    exit: Arc<Mutex<Option<String>>>,
    /// Ends when the exit is known.
    follower: Option<JoinHandle<()>>,
}

impl ServerProcess {
    /// Starts the server and waits until its probe says that it is ready.
    ///
    /// # Errors
    /// [`StartError`]; the server is not running then.
    ///
    /// # Cancel safety
    /// Dropping the future kills the server.
    pub async fn start(spec: ServerSpec) -> Result<Self, StartError> {
        let process = Self::spawn(spec)?;
        process.ready().await?;
        Ok(process)
    }

    fn spawn(spec: ServerSpec) -> Result<Self, StartError> {
        let program = find_program(&spec.program)?;
        let log = open_log(&spec.folder)?;
        let mut command = Command::new("sh");
        command.arg("-c").arg(SUPERVISOR).arg("nebula-supervisor");
        command.arg(if spec.scrap_folder { spec.folder.clone().into_os_string() } else { OsString::new() });
        command.arg(program).args(&spec.args).envs(spec.env.iter().cloned());
        command.current_dir(&spec.folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        // Own group: a Ctrl-C on the terminal reaches the tests only, and one signal reaches all that the server started.
        command.process_group(0);
        if let Some(user) = User::to_become(spec.run_as.as_deref())? {
            user.own(&spec.folder)?;
            command.uid(user.uid).gid(user.gid);
        }
        let mut supervisor = command.spawn().map_err(StartError::os("start the supervising shell"))?;
        let lifeline = supervisor.stdin.take();
        let exit = Arc::new(Mutex::new(None));
        let (pid, follower) = match supervisor.stdout.take().map(|out| follow(out, &exit)) {
            Some(Ok(followed)) => followed,
            other => {
                drop(lifeline);
                let _ = supervisor.wait();
                let why = other.and_then(Result::err).unwrap_or_else(|| std::io::Error::other("no output pipe"));
                return Err(StartError::os("learn the process id of the server")(why));
            }
        };
        Ok(Self { spec, pid, supervisor, lifeline, exit, follower: Some(follower) })
    }

    async fn ready(&self) -> Result<(), StartError> {
        let started = std::time::Instant::now();
        let mut last = "never probed".to_owned();
        loop {
            if let Some(status) = self.exit.lock().clone() {
                return Err(StartError::Ended { program: self.program(), status, log: self.log_tail() });
            }
            let left = self.spec.ready_within.saturating_sub(started.elapsed());
            match tokio::time::timeout(left, (self.spec.probe)(self.id())).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(reason)) => last = reason,
                Err(_) => last = format!("still running; before it: {last}"),
            }
            if started.elapsed() >= self.spec.ready_within {
                return Err(StartError::NotReady {
                    program: self.program(),
                    after: self.spec.ready_within,
                    probe: last,
                    log: self.log_tail(),
                });
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Process id of the server itself (not of its supervisor).
    #[must_use]
    pub fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Whether the server runs (a stopped process does).
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.exit.lock().is_none()
    }

    /// Freezes the server and its child processes with SIGSTOP: connections stay open, nobody answers.
    pub fn stop(&self) {
        self.freeze();
        self.signal_children(Signal::STOP);
    }

    /// Continues a frozen server with SIGCONT.
    pub fn cont(&self) {
        self.signal_children(Signal::CONT);
        self.signal(Signal::CONT);
    }

    /// Asks the server to end (SIGTERM) without waiting for it.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Kills the server with SIGKILL, and all that it started, and waits until they are gone. Its folder stays.
    pub fn kill(&mut self) {
        self.freeze();
        self.signal_children(Signal::KILL);
        self.signal(Signal::KILL);
        self.reap();
    }

    /// Starts the server again with the same specification, after killing it if it still runs.
    ///
    /// # Errors
    /// [`StartError`]; the server is not running then.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the server killed or starting.
    pub async fn restart(&mut self) -> Result<(), StartError> {
        self.kill();
        *self = Self::spawn(self.spec.clone())?;
        self.ready().await
    }

    /// The folder that the server runs in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.spec.folder
    }

    /// The last lines of the server's log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let text = std::fs::read(self.spec.folder.join("server.log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    fn program(&self) -> String {
        self.spec.program.to_string_lossy().into_owned()
    }

    fn signal(&self, signal: Signal) {
        // The supervisor reaps the server only when it ends by itself or by our hand, so the id cannot be a stranger's
        // as long as no exit was reported.
        if self.is_running() {
            let _ = rustix::process::kill_process(self.pid, signal);
        }
    }

    /// Freezes the server alone and waits until it stands still: until then it may start one more child.
    fn freeze(&self) {
        self.signal(Signal::STOP);
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.is_running()
            && Instant::now() < deadline
            && state(self.pid).is_some_and(|state| !"tTZX".contains(state))
        {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Signals what the server has started. To be called while the server is frozen, so that it starts and reaps nothing
    /// meanwhile: some servers give their children process groups of their own.
    fn signal_children(&self, signal: Signal) {
        if self.is_running() {
            for child in children(self.pid) {
                let _ = rustix::process::kill_process(child, signal);
            }
        }
    }

    fn reap(&mut self) {
        // First the server has to be gone; the end of the lifeline would make the watcher kill the reporting shell.
        if let Some(follower) = self.follower.take() {
            let _ = follower.join();
        }
        if let Some(mut lifeline) = self.lifeline.take() {
            let _ = lifeline.write_all(b"keep\n");
        }
        let _ = self.supervisor.wait();
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Reads the process id from the supervisor and keeps reading in a thread, so that the exit is known as it happens.
fn follow(out: ChildStdout, exit: &Arc<Mutex<Option<String>>>) -> std::io::Result<(Pid, JoinHandle<()>)> {
    let mut lines = BufReader::new(out).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let pid = first.strip_prefix("pid ").and_then(|text| text.parse().ok()).and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| std::io::Error::other(format!("the supervisor said {first:?}")))?;
    let exit = Arc::clone(exit);
    let follower = std::thread::Builder::new().name(format!("exit-of-{}", pid.as_raw_nonzero())).spawn(move || {
        let status = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("exit ").map(str::to_owned));
        *exit.lock() = Some(status.unwrap_or_else(|| "unknown (killed together with its supervisor)".to_owned()));
    })?;
    Ok((pid, follower))
}

fn open_log(folder: &Path) -> Result<File, StartError> {
    let path = folder.join("server.log");
    OpenOptions::new().create(true).append(true).open(&path).map_err(StartError::os(format!("open {}", path.display())))
}

/// The state of a process as a letter, see proc(5); `None` when it is gone.
fn state(of: Pid) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", of.as_raw_nonzero())).ok()?;
    // The name stands in brackets, and may have some itself.
    stat.rsplit_once(") ")?.1.chars().next()
}

/// The child processes of a process, as the kernel lists them.
fn children(of: Pid) -> Vec<Pid> {
    let id = of.as_raw_nonzero();
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    threads
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<i32>>())
        .filter_map(Pid::from_raw)
        .collect()
}

pub(crate) fn find_program(name: impl AsRef<OsStr>) -> Result<PathBuf, StartError> {
    let name = name.as_ref();
    let missing = || StartError::Missing { program: name.to_string_lossy().into_owned() };
    if Path::new(name).components().count() > 1 {
        return Path::new(name).is_file().then(|| PathBuf::from(name)).ok_or_else(missing);
    }
    // Debian keeps servers in sbin folders, which are not on an ordinary user's PATH.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(more).map(|dir| dir.join(name)).find(|file| file.is_file()).ok_or_else(missing)
}
