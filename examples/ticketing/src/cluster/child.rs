//! A program that runs beside this one, can be killed and started again, and does not outlive it.

use std::{
    ffi::OsString,
    fs::OpenOptions,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    process::{ChildStdin, Command},
    time::Instant,
};

use super::{ClusterError, user::User};

const SUPERVISOR: &str = include_str!("child.sh");
/// Pause between two looks at a program that is coming up.
const LOOK: Duration = Duration::from_millis(50);
/// A program that was killed may keep what it had for a moment.
const AGAIN: Duration = Duration::from_millis(200);
/// How often a start is tried when the program ends at once.
const STARTS: u32 = 25;
/// Lines of a log that an error shows.
const TAIL: usize = 15;

/// How to run a program.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    /// What it is called in messages; its log is `<name>.log` in the folder.
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(String, String)>,
    /// Where it runs and writes its log.
    pub(crate) folder: PathBuf,
    /// Whom it runs as, when not as we do.
    pub(crate) user: Option<User>,
}

/// What can be killed and started again. Both may be done at any time.
pub(crate) trait Tended: Send {
    /// What it is called.
    fn name(&self) -> &str;

    /// The program that it is.
    fn child(&mut self) -> &mut Child;

    /// Waits until it answers.
    fn ready(&mut self) -> impl Future<Output = Result<(), ClusterError>> + Send;

    /// Waits until it has ended.
    fn ended(&mut self) -> impl Future<Output = ()> + Send {
        async { self.child().ended().await }
    }

    /// Kills it without warning, with all that it started.
    fn kill(&mut self) -> impl Future<Output = ()> + Send {
        async { self.child().kill().await }
    }

    /// Starts it again, at the same address and on the same data, and waits until it answers.
    fn restart(&mut self) -> impl Future<Output = Result<(), ClusterError>> + Send {
        async {
            self.child().restart()?;
            self.ready().await
        }
    }
}

/// A program that was started. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Child {
    spec: Spec,
    process: Process,
}

/// What was started last.
#[derive(Debug)]
struct Process {
    supervisor: tokio::process::Child,
    /// Closed, it ends the supervisor. Kept here, because to wait for a process closes the pipe that is kept with it.
    _lifeline: Option<ChildStdin>,
}

impl Child {
    pub(crate) fn start(spec: Spec) -> Result<Self, ClusterError> {
        let process = spawn(&spec)?;
        Ok(Self { spec, process })
    }

    pub(crate) fn name(&self) -> &str {
        &self.spec.name
    }

    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.process.supervisor.try_wait(), Ok(None))
    }

    /// Asks until `ready` says so.
    ///
    /// A program that ends is started again a few times: after a kill, its predecessor's children may still be there.
    pub(crate) async fn ready<F: Future<Output = bool>>(
        &mut self,
        within: Duration,
        ready: impl Fn() -> F,
    ) -> Result<(), ClusterError> {
        let deadline = Instant::now() + within;
        let mut starts = 0;
        loop {
            if !self.is_running() {
                starts += 1;
                if starts > STARTS || Instant::now() > deadline {
                    return Err(self.failed("it ended"));
                }
                tokio::time::sleep(AGAIN).await;
                self.process = spawn(&self.spec)?;
            }
            if let Ok(true) = tokio::time::timeout(Duration::from_secs(5), ready()).await {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(self.failed(&format!("it was not ready within {} s", within.as_secs())));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Starts it again after it ended or was killed.
    pub(crate) fn restart(&mut self) -> Result<(), ClusterError> {
        if !self.is_running() {
            self.process = spawn(&self.spec)?;
        }
        Ok(())
    }

    /// Kills it and all that it started, without warning, and waits until it is gone.
    pub(crate) async fn kill(&mut self) {
        self.signal(Signal::KILL);
        let _status = self.process.supervisor.wait().await;
    }

    /// Asks it to end, and kills it when it has not done so in time.
    pub(crate) async fn stop(&mut self, grace: Duration) {
        self.signal(Signal::TERM);
        if tokio::time::timeout(grace, self.process.supervisor.wait()).await.is_err() {
            tracing::warn!(program = self.spec.name, ?grace, "it did not end in time and is killed");
            self.kill().await;
        }
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&mut self) {
        let _status = self.process.supervisor.wait().await;
    }

    pub(crate) fn failed(&self, cause: &str) -> ClusterError {
        let log = log(&self.spec);
        let text = std::fs::read(&log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
        ClusterError::Start { name: self.spec.name.clone(), cause: cause.to_owned(), log, tail }
    }

    fn signal(&mut self, signal: Signal) {
        // As long as nobody waited for it, its number is nobody else's.
        if self.is_running()
            && let Some(group) =
                self.process.supervisor.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
        {
            let _gone = kill_process_group(group, signal);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

fn log(spec: &Spec) -> PathBuf {
    spec.folder.join(format!("{}.log", spec.name))
}

fn spawn(spec: &Spec) -> Result<Process, ClusterError> {
    let failed = |what: &Path, error: std::io::Error| ClusterError::System {
        what: format!("{} for {}", what.display(), spec.name),
        error,
    };
    let log = log(spec);
    let output = OpenOptions::new().create(true).append(true).open(&log).map_err(|error| failed(&log, error))?;
    let errors = output.try_clone().map_err(|error| failed(&log, error))?;
    let mut command = Command::new("sh");
    command.arg("-c").arg(SUPERVISOR).arg("supervisor").arg(&spec.program).args(&spec.arguments);
    command.envs(spec.environment.iter().map(|(key, value)| (key, value))).current_dir(&spec.folder);
    command.stdin(Stdio::piped()).stdout(output).stderr(errors).process_group(0);
    if let Some(user) = spec.user {
        command.uid(user.uid).gid(user.gid);
    }
    let mut supervisor = command.spawn().map_err(|error| failed(&spec.program, error))?;
    let lifeline = supervisor.stdin.take();
    Ok(Process { supervisor, _lifeline: lifeline })
}
