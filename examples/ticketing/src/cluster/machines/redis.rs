//! `redis-server`: seats, locks, rates.

use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt, path::Path};

use super::{super::program, ClusterError, Place, Spec};

pub(super) fn spec(place: &Place<'_>) -> Result<Spec, ClusterError> {
    let program = program::need("redis-server", &[], "redis-server")?;
    // In a file, because everybody on the machine can read arguments.
    let file = place.folder.join("redis.conf");
    let text = format!(
        "bind 127.0.0.1\nport {}\nrequirepass {}\nsave \"\"\nappendonly yes\nappendfsync everysec\nmaxmemory-policy noeviction\n",
        place.port, place.password
    );
    write(&file, &text).map_err(|error| ClusterError::System { what: file.display().to_string(), error })?;
    Ok(place.spec(program, [file.into_os_string()]))
}

pub(super) fn url(port: u16, password: &str) -> String {
    format!("redis://:{password}@127.0.0.1:{port}/")
}

pub(super) async fn answers(url: &str) -> bool {
    let ping = async {
        let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
        redis::cmd("PING").query_async::<String>(&mut connection).await
    };
    ping.await.is_ok()
}

/// Readable by its owner only.
pub(super) fn write(file: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(file)?;
    file.write_all(text.as_bytes())
}
