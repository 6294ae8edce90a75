//! PostgreSQL's own programs do it: `pg_dump` sees one snapshot while others write, `pg_restore` writes all or nothing.

use std::{io, path::Path, process::Stdio};

use reqwest::Url;
use secrecy::ExposeSecret;
use sqlx::{Connection, PgConnection};
use tokio::process::Command;

use super::BackupError;
use crate::config::Config;

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
    let mut connection = PgConnection::connect(url.as_str()).await.map_err(failed)?;
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

fn url(config: &Config) -> Result<Url, BackupError> {
    let url = config.database.url.as_ref().ok_or(BackupError::Address("there is none"))?;
    // The error would repeat the password.
    Url::parse(url.expose_secret()).map_err(|_| BackupError::Address("it is no URL"))
}

fn database_name(url: &Url) -> String {
    decoded(url.path().trim_start_matches('/'))
}

/// The program with the way to the server in its environment, where no list of processes shows the password.
fn program(name: &'static str, config: &Config) -> Result<Command, BackupError> {
    let url = url(config)?;
    let mut command = Command::new(name);
    command.env("PGDATABASE", database_name(&url));
    if let Some(host) = url.host_str().filter(|host| !host.is_empty()) {
        command.env("PGHOST", decoded(host.trim_matches(['[', ']'])));
    }
    if let Some(port) = url.port() {
        command.env("PGPORT", port.to_string());
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
        assert_eq!(decoded("100%"), "100%");
    }
}
