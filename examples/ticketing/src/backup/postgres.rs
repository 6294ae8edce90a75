//! PostgreSQL's own programs do it: `pg_dump` sees one snapshot while others write, `pg_restore` writes all or nothing.

use std::{io, path::Path, process::Stdio};

use reqwest::Url;
use secrecy::ExposeSecret;
use sqlx::{ConnectOptions, Connection};
use tokio::process::Command;

use super::BackupError;
use crate::{
    config::Config,
    storage::{Primary, primary::servers},
};

pub(super) async fn dump(config: &Config, to: &Path) -> Result<(), BackupError> {
    let mut command = program("pg_dump", config)?;
    command.args(["--format=custom", "--no-owner", "--no-privileges", "--file"]).arg(to);
    run("pg_dump", command).await?;
    // Whether it can be read to its end.
    let mut list = Command::new("pg_restore");
    list.arg("--list").arg(to);
    run("pg_restore", list).await
}

pub(super) async fn restore(config: &Config, from: &Path) -> Result<(), BackupError> {
    let database = || std::path::PathBuf::from("that database.url names");
    let failed = |error| BackupError::Database(database(), error);
    let url = url(config)?;
    let server = config.database.url.as_ref().ok_or(BackupError::Address("there is none"))?;
    let primary = Primary::find(server, |options| options).await.map_err(failed)?;
    let mut connection = primary.options().connect().await.map_err(failed)?;
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename = 'ticketing_schema'";
    let there: i64 = sqlx::query_scalar(tables).fetch_one(&mut connection).await.map_err(failed)?;
    connection.close().await.map_err(failed)?;
    if there > 0 {
        return Err(BackupError::Occupied("the PostgreSQL database".to_owned()));
    }
    let mut command = program("pg_restore", config)?;
    command.args(["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", "--dbname"]);
    command.arg(database_name(&url)).arg(from);
    run("pg_restore", command).await
}

/// The addresses of the servers; there is at least one.
fn urls(config: &Config) -> Result<Vec<Url>, BackupError> {
    let url = config.database.url.as_ref().ok_or(BackupError::Address("there is none"))?;
    // The errors would repeat the password.
    let unusable = || BackupError::Address("it is no URL");
    let urls = servers::each(url.expose_secret()).map_err(|_| unusable())?;
    urls.iter().map(|url| Url::parse(url).map_err(|_| unusable())).collect()
}

fn url(config: &Config) -> Result<Url, BackupError> {
    urls(config)?.into_iter().next().ok_or(BackupError::Address("there is none"))
}

fn database_name(url: &Url) -> String {
    decoded(url.path().trim_start_matches('/'))
}

/// The program with the way to the server in its environment, where no list of processes shows the password.
fn program(name: &'static str, config: &Config) -> Result<Command, BackupError> {
    let (url, urls) = (url(config)?, urls(config)?);
    let mut command = Command::new(name);
    command.env("PGDATABASE", database_name(&url));
    let hosts: Vec<_> = urls.iter().filter_map(Url::host_str).filter(|host| !host.is_empty()).collect();
    if !hosts.is_empty() {
        let hosts: Vec<_> = hosts.iter().map(|host| decoded(host.trim_matches(['[', ']']))).collect();
        command.env("PGHOST", hosts.join(","));
    }
    if urls.iter().any(|url| url.port().is_some()) {
        // An empty one is the usual one.
        let ports: Vec<_> =
            urls.iter().map(|url| url.port().map(|port| port.to_string()).unwrap_or_default()).collect();
        command.env("PGPORT", ports.join(","));
    }
    if urls.len() > 1 {
        command.env("PGTARGETSESSIONATTRS", "read-write");
    }
    if !url.username().is_empty() {
        command.env("PGUSER", decoded(url.username()));
    }
    if let Some(password) = url.password() {
        command.env("PGPASSWORD", decoded(password));
    }
    for (name, value) in url.query_pairs() {
        let variable = match &*name {
            "sslmode" | "ssl-mode" => "PGSSLMODE",
            "sslrootcert" | "ssl-root-cert" | "ssl-ca" => "PGSSLROOTCERT",
            "sslcert" | "ssl-cert" => "PGSSLCERT",
            "sslkey" | "ssl-key" => "PGSSLKEY",
            "host" => "PGHOST",
            "port" => "PGPORT",
            _ => continue,
        };
        command.env(variable, &*value);
    }
    Ok(command)
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = (*first == b'%').then(|| after.get(..2)).flatten().and_then(|two| std::str::from_utf8(two).ok());
        match hex.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn run(name: &'static str, mut command: Command) -> Result<(), BackupError> {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.map_err(|error| BackupError::Program {
        program: name,
        output: match error.kind() {
            io::ErrorKind::NotFound => "it is not installed (package postgresql-client)".to_owned(),
            _ => error.to_string(),
        },
    })?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(BackupError::Program { program: name, output: text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_the_server_is_in_the_environment() {
        let mut config = Config::default();
        let url = "postgres://me%40here:p%25w%2Fd@db.example:6432/shop%20one?sslmode=require&application_name=x";
        config.database.url = Some(url.to_owned().into());
        let command = program("pg_dump", &config).unwrap();
        let known: Vec<_> = command
            .as_std()
            .get_envs()
            .map(|(name, value)| (name.to_str().unwrap(), value.unwrap().to_str().unwrap()))
            .collect();
        for pair in [
            ("PGHOST", "db.example"),
            ("PGPORT", "6432"),
            ("PGUSER", "me@here"),
            ("PGPASSWORD", "p%w/d"),
            ("PGDATABASE", "shop one"),
            ("PGSSLMODE", "require"),
        ] {
            assert!(known.contains(&pair), "{pair:?} in {known:?}");
        }
        assert!(command.as_std().get_args().next().is_none());
        // Several servers are named as PostgreSQL's programs name them.
        config.database.url = Some("postgres://me@one:7001,two/shop".to_owned().into());
        let command = program("pg_dump", &config).unwrap();
        let known = |wanted: &str| {
            let mut found = command.as_std().get_envs().filter(|(name, _)| *name == wanted);
            found.next().and_then(|(_, value)| value?.to_str()).map(str::to_owned)
        };
        assert_eq!(known("PGHOST").as_deref(), Some("one,two"));
        assert_eq!(known("PGPORT").as_deref(), Some("7001,"));
        assert_eq!(known("PGTARGETSESSIONATTRS").as_deref(), Some("read-write"));
        assert_eq!(decoded("100%"), "100%");
    }
}
