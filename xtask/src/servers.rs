//! The servers that tests and developers use: one of each kind, in temporary folders, without persistence.

use std::fs::DirBuilder;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Result};
use crate::packages;
use crate::rabbitmq::RabbitMq;

/// Where `nebula-test-support` looks for a server to share before it starts one of its own.
const REDIS_VARIABLE: &str = "NEBULA_TEST_REDIS_URL";
const AMQP_VARIABLE: &str = "NEBULA_TEST_AMQP_URL";

/// `cargo xtask servers` tries this port first, so that a configuration file stays valid from one day to the next.
const DEVELOPERS_REDIS_PORT: u16 = 16_379;

/// How long a server may take until it answers.
const START: Duration = Duration::from_secs(20);

/// Names and values of variables.
pub(crate) type Environment = Vec<(String, String)>;

/// Running servers. They stop when this is dropped, and also when the process ends in any other way.
#[derive(Debug)]
pub(crate) struct Servers {
    redis: Redis,
    rabbitmq: Option<RabbitMq>,
}

impl Servers {
    /// Starts one set on free ports.
    pub(crate) fn start() -> Result<Self> {
        // Another process may take the port between our looking and the server's binding it.
        let redis = Redis::start(free_port()?).or_else(|_| Redis::start(free_port()?))?;
        Ok(Self { redis, rabbitmq: None })
    }

    /// Adds a broker, which takes some seconds to start.
    pub(crate) fn with_rabbitmq(mut self) -> Result<Self> {
        self.rabbitmq = Some(RabbitMq::start().or_else(|_| RabbitMq::start())?);
        Ok(self)
    }

    fn start_for_developers() -> Result<Self> {
        let redis = Redis::start(DEVELOPERS_REDIS_PORT).or_else(|_| Redis::start(free_port()?))?;
        Ok(Self { redis, rabbitmq: None })
    }

    /// What tells the tests where the servers are.
    pub(crate) fn environment(&self) -> Environment {
        let broker = self.rabbitmq.iter().map(|broker| (AMQP_VARIABLE.to_owned(), broker.url().to_owned()));
        broker.chain([(REDIS_VARIABLE.to_owned(), self.redis.url.clone())]).collect()
    }

    pub(crate) fn redis_url(&self) -> &str {
        &self.redis.url
    }
}

/// `cargo xtask servers`.
pub(crate) fn run() -> Result {
    packages::ensure(&[packages::REDIS])?;
    let servers = Servers::start_for_developers()?;
    println!("{}", instructions(servers.redis_url()));
    // Ctrl-C ends this process, and with it the pipe that keeps the servers alive.
    while servers.redis.answers() {
        sleep(Duration::from_secs(2));
    }
    Err(Error::new("the redis-server does not answer any more"))
}

fn instructions(redis: &str) -> String {
    format!(
        "Redis runs at {redis}, empty and without persistence.\n\n\
         For the tests (otherwise each test program starts its own):\n\n  \
           export {REDIS_VARIABLE}={redis}\n  \
           cargo test -p nebula-lock --all-features\n\n\
         For the ticketing platform, in its configuration file or in the environment:\n\n  \
           redis:\n    \
             url: {redis}\n\n  \
           NEBULA_TICKETING__REDIS__URL={redis} \\\n    \
             cargo run --release -p ticketing -- --config config/redis.yaml\n\n\
         Ctrl-C stops the server and removes its folder."
    )
}

#[derive(Debug)]
struct Redis {
    port: u16,
    url: String,
    supervisor: Supervisor,
}

impl Redis {
    fn start(port: u16) -> Result<Self> {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Err(Error::new(format!("port {port} is taken")));
        }
        let directory = temporary_directory("redis")?;
        let (port_text, folder) = (port.to_string(), directory.display().to_string());
        let arguments =
            ["--port", &port_text, "--dir", &folder, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
                .map(str::to_owned);
        let supervisor = Supervisor::start(directory, "redis-server", &arguments)?;
        let redis = Self { port, url: format!("redis://127.0.0.1:{port}/"), supervisor };
        let deadline = Instant::now() + START;
        while !redis.answers() {
            let log = redis.supervisor.log();
            if log.contains("Address already in use") || Instant::now() > deadline {
                return Err(Error::new(format!("redis-server did not start: {log}")));
            }
            sleep(Duration::from_millis(20));
        }
        Ok(redis)
    }

    /// Whether our server answers, and not one that took the port before it.
    fn answers(&self) -> bool {
        let directory = self.supervisor.directory.display().to_string();
        let expected = format!("*2\r\n$3\r\ndir\r\n${}\r\n{directory}\r\n", directory.len());
        let ask = || -> std::io::Result<bool> {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(b"CONFIG GET dir\r\n")?;
            let mut reply = vec![0; expected.len()];
            stream.read_exact(&mut reply)?;
            Ok(reply == expected.as_bytes())
        };
        ask().unwrap_or(false)
    }
}

/// A server and the shell that ends it when our end of a pipe closes.
#[derive(Debug)]
pub(crate) struct Supervisor {
    shell: Child,
    directory: PathBuf,
}

impl Supervisor {
    pub(crate) fn start(directory: PathBuf, program: &str, arguments: &[String]) -> Result<Self> {
        let shell = shell(&directory, program, arguments).stdin(Stdio::piped()).spawn().context("starting `sh`")?;
        Ok(Self { shell, directory })
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// The supervising shell. It runs for as long as somebody holds the other end of its standard input.
fn shell(directory: &Path, program: &str, arguments: &[String]) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", include_str!("supervise.sh"), "supervise.sh"]).arg(directory).arg(program).args(arguments);
    // A group of its own is out of the reach of the terminal's Ctrl-C, so that the shell lives to clean up.
    shell.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    shell
}

pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
    Ok(listener.local_addr().context("looking for a free port")?.port())
}

/// A new directory that only we can read.
pub(crate) fn temporary_directory(purpose: &str) -> Result<PathBuf> {
    let parent = std::env::temp_dir();
    for number in 0..1_000 {
        let path = parent.join(format!("nebula-{purpose}-{}-{number}", std::process::id()));
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return path.canonicalize().context(format_args!("resolving {}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).context(format_args!("creating {}", path.display())),
        }
    }
    Err(Error::new(format!("no free directory name in {}", Path::new(&parent).display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !holds() {
            assert!(Instant::now() < deadline, "not within 30 s: {what}");
            sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn a_server_answers_until_it_is_dropped_and_leaves_nothing() {
        let redis = Redis::start(free_port().unwrap()).unwrap();
        let (port, directory) = (redis.port, redis.supervisor.directory.clone());
        assert!(redis.answers() && directory.is_dir());
        drop(redis);
        until("the port is closed", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
        assert!(!directory.exists());
    }

    #[test]
    fn a_server_dies_with_the_process_that_holds_it_even_if_that_is_killed() {
        let port = free_port().unwrap();
        let directory = temporary_directory("held").unwrap();
        let mut holder = Command::new("sleep").arg("600").stdout(Stdio::piped()).spawn().unwrap();
        let arguments = ["--port", &port.to_string(), "--save", ""].map(str::to_owned);
        let mut supervisor = shell(&directory, "redis-server", &arguments)
            .stdin(Stdio::from(holder.stdout.take().unwrap()))
            .spawn()
            .unwrap();
        let reachable = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        until("the server is up", reachable);
        holder.kill().unwrap();
        until("the server is gone", || !reachable());
        until("its directory is gone", || !directory.exists());
        holder.wait().unwrap();
        supervisor.wait().unwrap();
    }

    #[test]
    fn a_taken_port_is_refused() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let error = Redis::start(taken.local_addr().unwrap().port()).unwrap_err();
        assert!(error.to_string().contains("is taken"), "{error}");
    }

    #[test]
    fn instructions_name_the_variable_and_the_address() {
        let text = instructions("redis://127.0.0.1:1/");
        assert!(text.contains("export NEBULA_TEST_REDIS_URL=redis://127.0.0.1:1/"), "{text}");
    }
}
