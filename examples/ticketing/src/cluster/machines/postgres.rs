//! `postgres`: accounts, orders and money.

use std::{path::Path, process::Stdio};

use sqlx::Connection;
use tokio::process::Command;

use super::{
    super::{program, user::User},
    ClusterError, Place, Spec,
    redis::write,
};

/// PostgreSQL refuses to run as root; its package brings this user.
const USER: &str = "postgres";

pub(super) fn is_here() -> bool {
    let folders = program::postgres_folders();
    ["postgres", "initdb"].into_iter().all(|name| program::find(name, &folders).is_some())
}

pub(super) async fn spec(place: &Place<'_>) -> Result<Spec, ClusterError> {
    let program = program::need("postgres", &program::postgres_folders(), "postgresql")?;
    let user = User::instead_of_root(USER)?;
    if let Some(user) = user {
        user.own(place.folder)?;
    }
    let data = place.folder.join("data");
    if !data.join("PG_VERSION").exists() {
        initialise(place, &data, user).await?;
    }
    let (port, data) = (place.port.to_string(), data.into_os_string());
    let arguments =
        ["-D".into(), data, "-p".into(), port.into(), "-h".into(), "127.0.0.1".into(), "-k".into(), "".into()];
    let spec = place.spec(program, arguments);
    Ok(Spec {
        arguments: [spec.arguments, ["-c", "max_connections=200"].map(Into::into).to_vec()].concat(),
        user,
        ..spec
    })
}

async fn initialise(place: &Place<'_>, data: &Path, user: Option<User>) -> Result<(), ClusterError> {
    let program = program::need("initdb", &program::postgres_folders(), "postgresql")?;
    let failed = |error| ClusterError::System { what: program.display().to_string(), error };
    let password = place.folder.join("password");
    write(&password, place.password).map_err(failed)?;
    let mut command = Command::new(&program);
    command.arg("--pgdata").arg(data).arg("--pwfile").arg(&password).args([
        "--username=ticketing",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--no-locale",
    ]);
    command.current_dir(place.folder).stdin(Stdio::null()).kill_on_drop(true);
    if let Some(user) = user {
        user.own(&password)?;
        command.uid(user.uid).gid(user.gid);
    }
    let output = command.output().await.map_err(failed)?;
    std::fs::remove_file(&password).map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    // Half a data folder would be taken for a whole one.
    let _removed = std::fs::remove_dir_all(data);
    Err(ClusterError::Start {
        name: "initdb".to_owned(),
        cause: output.status.to_string(),
        log: data.to_owned(),
        tail: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

pub(super) fn url(port: u16, password: &str) -> String {
    format!("postgres://ticketing:{password}@127.0.0.1:{port}/postgres")
}

pub(super) async fn answers(url: &str) -> bool {
    sqlx::PgConnection::connect(url).await.is_ok()
}
