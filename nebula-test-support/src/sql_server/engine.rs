//! What differs between the servers.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::error::StartError;
use crate::process::{Probe, ServerSpec, find_program};
use crate::user::User;

/// Which SQL server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SqlEngine {
    /// MariaDB, which speaks MySQL's protocol.
    MariaDb,
    /// PostgreSQL.
    Postgres,
}

impl SqlEngine {
    /// The system user that the package brings; PostgreSQL refuses to run as root.
    fn user(self) -> &'static str {
        match self {
            Self::MariaDb => "mysql",
            Self::Postgres => "postgres",
        }
    }

    pub(super) fn url(self, port: u16, database: &str) -> String {
        match self {
            Self::MariaDb => format!("mysql://root@127.0.0.1:{port}/{database}"),
            Self::Postgres => format!("postgres://postgres@127.0.0.1:{port}/{database}"),
        }
    }

    /// The database that is there from the beginning.
    pub(super) fn first_database(self) -> &'static str {
        match self {
            Self::MariaDb => "mysql",
            Self::Postgres => "postgres",
        }
    }

    /// Lays out an empty data folder.
    pub(super) async fn initialise(self, folder: &Path) -> Result<(), StartError> {
        let data = data(folder);
        let command = match self {
            Self::MariaDb => {
                let mut command = Command::new(find_program("mariadb-install-db")?);
                // A private TMPDIR: a server deletes what looks like its temporary tables when it starts.
                command.arg("--no-defaults").arg(option("--datadir=", &data)).env("TMPDIR", folder).args([
                    "--auth-root-authentication-method=normal",
                    "--skip-test-db",
                    "--skip-name-resolve",
                    "--innodb-log-file-size=8M",
                ]);
                command
            }
            Self::Postgres => {
                let mut command = Command::new(postgres("initdb")?);
                command.arg("--pgdata").arg(&data).args([
                    "--no-sync",
                    "--auth=trust",
                    "--username=postgres",
                    "--encoding=UTF8",
                    "--no-locale",
                ]);
                command
            }
        };
        std::fs::create_dir(&data).map_err(StartError::os("create the data folder"))?;
        self.run(command, folder).await
    }

    /// Lays out a data folder with the data of the PostgreSQL server at `url`, whose changes it is to follow.
    pub(super) async fn copy(self, folder: &Path, url: &str) -> Result<(), StartError> {
        let mut command = Command::new(postgres("pg_basebackup")?);
        command.arg("--pgdata").arg(data(folder)).args(["--dbname", url]).args([
            "--write-recovery-conf",
            "--wal-method=stream",
            "--checkpoint=fast",
            "--no-sync",
        ]);
        self.run(command, folder).await
    }

    /// Runs a command of the server's package in its folder, as the user that the server runs as.
    async fn run(self, mut command: Command, folder: &Path) -> Result<(), StartError> {
        if let Some(user) = User::to_become(Some(self.user()))? {
            user.own(folder)?;
            command.uid(user.uid).gid(user.gid);
        }
        command.current_dir(folder).stdin(std::process::Stdio::null()).kill_on_drop(true);
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        let output = command.output().await.map_err(StartError::os(format!("start {program}")))?;
        if output.status.success() {
            return Ok(());
        }
        let log = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        Err(StartError::Ended { program, status: output.status.to_string(), log })
    }

    /// How to run the server on a data folder.
    pub(super) fn spec(self, folder: &Path, port: u16, durable: bool) -> Result<ServerSpec, StartError> {
        let data = data(folder);
        let spec = match self {
            Self::MariaDb => {
                let pid_file = folder.join("pid");
                ServerSpec::new(find_program("mariadbd")?, folder)
                    .args(["--no-defaults".into(), option("--datadir=", &data)])
                    .args([option("--pid-file=", &pid_file), option("--socket=", &folder.join("socket"))])
                    .args([option("--tmpdir=", folder)])
                    .args([format!("--port={port}"), "--bind-address=127.0.0.1".to_owned()])
                    .args(["--skip-name-resolve", "--skip-log-bin", "--character-set-server=utf8mb4"])
                    .args(["--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M", "--max-connections=500"])
                    // 2: handed to the operating system at every commit.
                    .args([format!("--innodb-flush-log-at-trx-commit={}", if durable { 1 } else { 2 })])
                    .probe(greets(pid_file, port))
            }
            Self::Postgres => ServerSpec::new(postgres("postgres")?, folder)
                .args(["-D".into(), data.clone().into_os_string()])
                .args(["-p".to_owned(), port.to_string(), "-h".to_owned(), "127.0.0.1".to_owned()])
                .args(["-k", "", "-c", "shared_buffers=32MB", "-c", "max_connections=500"])
                // Hundreds of tests have a database each: the log need not take a gigabyte beside them.
                .args(["-c", "max_wal_size=128MB"])
                .args(["-c".to_owned(), format!("fsync={}", if durable { "on" } else { "off" })])
                .probe(notes_ready(data.join("postmaster.pid"))),
        };
        Ok(spec.run_as(self.user()).ready_within(Duration::from_secs(60)))
    }

    /// Creates an empty database on the server at `url`, which may be any server of this kind.
    ///
    /// # Panics
    /// When the server refuses or cannot be reached.
    pub(crate) async fn create_database(self, url: &str, name: &str) {
        if let Err(problem) = self.tell(url, &format!("CREATE DATABASE {name}")).await {
            panic!("{self}: cannot create a database: {problem}");
        }
    }

    /// Runs a statement with the server's own client; the answer is what that prints, without headings.
    pub(super) async fn tell(self, url: &str, statement: &str) -> Result<String, String> {
        let mut client = match self {
            Self::MariaDb => mariadb_client(url),
            Self::Postgres => {
                let mut client = Command::new("psql");
                client.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--dbname", url, "--command"]);
                client
            }
        };
        let output = client.arg(statement).stdin(std::process::Stdio::null()).kill_on_drop(true).output().await;
        let output =
            output.map_err(|error| format!("cannot run its client, which comes with the server's package: {error}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// The URL of another database on the same server.
    pub(crate) fn sibling(self, url: &str, database: &str) -> String {
        let (base, query) = url.split_once('?').map_or((url, None), |(base, query)| (base, Some(query)));
        let authority = base.find("://").map_or(0, |at| at + 3);
        let end = base[authority..].find('/').map_or(base.len(), |at| authority + at);
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}/{database}{query}", &base[..end])
    }
}

impl fmt::Display for SqlEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MariaDb => "mariadbd",
            Self::Postgres => "postgres",
        })
    }
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn option(name: &str, path: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push(path);
    option
}

/// The command-line client, told what the URL says.
fn mariadb_client(url: &str) -> Command {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let (user, address) = authority.rsplit_once('@').unwrap_or(("root", authority));
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let (host, port) = address.rsplit_once(':').unwrap_or((address, "3306"));
    let mut client = Command::new("mariadb");
    client.args(["--no-defaults", "--protocol=tcp"]);
    client.args(["--host", host, "--port", port, "--user", user, "--execute"]).env("MYSQL_PWD", password);
    client
}

/// PostgreSQL keeps its programs in a folder for each version; the newest is taken.
fn postgres(program: &str) -> Result<PathBuf, StartError> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin").join(program)))
        })
        .filter(|(_, file)| file.is_file())
        .max();
    newest.map_or_else(|| find_program(program), |(_, file)| Ok(file))
}

/// Ready means: our child has written its process id, and a server on the port greets as MySQL's protocol has it.
fn greets(pid_file: PathBuf, port: u16) -> Probe {
    Arc::new(move |pid| {
        let pid_file = pid_file.clone();
        Box::pin(async move {
            let noted = std::fs::read_to_string(&pid_file).map_err(|error| format!("no process id: {error}"))?;
            if noted.trim() != pid.to_string() {
                return Err("the process id is not noted yet".to_owned());
            }
            let greeting = async {
                let mut head = [0; 5];
                TcpStream::connect(("127.0.0.1", port)).await?.read_exact(&mut head).await?;
                std::io::Result::Ok(head[4])
            };
            match greeting.await {
                Ok(10) => Ok(()),
                Ok(version) => Err(format!("it greets with protocol version {version}")),
                Err(error) => Err(error.to_string()),
            }
        })
    })
}

/// Ready means: our child's process id stands in the first line of its file, and the word in the last.
fn notes_ready(pid_file: PathBuf) -> Probe {
    Arc::new(move |pid| {
        let pid_file = pid_file.clone();
        Box::pin(async move {
            let noted = std::fs::read_to_string(&pid_file).map_err(|error| format!("no process id: {error}"))?;
            let ours = noted.lines().next().is_some_and(|line| line.trim() == pid.to_string());
            let ready = noted.lines().last().is_some_and(|line| line.trim() == "ready");
            if ours && ready { Ok(()) } else { Err(format!("it says of itself: {:?}", noted.lines().last())) }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sibling_differs_in_the_database_alone() {
        let postgres = SqlEngine::Postgres;
        assert_eq!(postgres.sibling("postgres://u:p@h:1/a?x=/y", "b"), "postgres://u:p@h:1/b?x=/y");
        assert_eq!(postgres.sibling("postgres://u@h:1", "b"), "postgres://u@h:1/b");
    }

    #[test]
    fn the_client_is_told_what_the_url_says() {
        let client = mariadb_client("mysql://me:secret@db:33/x");
        let line: Vec<_> = client.as_std().get_args().map(|arg| arg.to_string_lossy()).collect();
        assert_eq!(line[2..], ["--host", "db", "--port", "33", "--user", "me", "--execute"]);
        assert!(!line.contains(&"secret".into()), "a password does not belong on a command line");
    }
}
