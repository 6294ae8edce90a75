//! The servers of a rush: running ones, or its own on a temporary folder.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};
use uuid::Uuid;

use super::RushError;

/// How long a server may take to come up.
const START: Duration = Duration::from_secs(60);

pub(super) struct Servers {
    urls: Vec<String>,
    own: Vec<Child>,
    folder: Option<PathBuf>,
}

impl Servers {
    pub(super) fn running(urls: Vec<String>) -> Self {
        Self { urls, own: Vec::new(), folder: None }
    }

    /// Starts servers that share a fresh data folder.
    pub(super) async fn start(count: u16, config: Option<&Path>) -> Result<Self, RushError> {
        let folder = std::env::temp_dir().join(format!("ticketing-rush-{}", Uuid::new_v4()));
        let mut servers = Self { urls: Vec::new(), own: Vec::new(), folder: Some(folder.clone()) };
        for _ in 0..count {
            let (url, child) = start(&folder, config).await?;
            servers.urls.push(url);
            servers.own.push(child);
        }
        Ok(servers)
    }

    pub(super) fn urls(&self) -> &[String] {
        &self.urls
    }

    pub(super) async fn stop(mut self) {
        for child in &mut self.own {
            // Nothing of a rehearsal is kept, so there is nothing to drain. A server that ended already is fine, too.
            let _ended = child.kill().await;
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            // The folder is below the system's temporary one: what cannot be removed now is removed by the system.
            let _removed = std::fs::remove_dir_all(folder);
        }
    }
}

async fn start(folder: &Path, config: Option<&Path>) -> Result<(String, Child), RushError> {
    let failed = |cause: String| RushError::Server(cause);
    let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let mut command = Command::new(program);
    command.arg("serve").args(["--listen", "127.0.0.1:0"]).arg("--data").arg(folder);
    if let Some(config) = config {
        command.arg("--config").arg(config);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let Some(output) = child.stdout.take() else { return Err(failed("its output cannot be read".to_owned())) };
    let mut lines = BufReader::new(output).lines();
    let url = tokio::time::timeout(START, async {
        while let Some(line) = lines.next_line().await.map_err(|error| failed(error.to_string()))? {
            if let Some(at) = line.find("http://") {
                let url: String = line[at..].chars().take_while(|c| !c.is_whitespace()).collect();
                return Ok(url.trim_end_matches('/').to_owned());
            }
        }
        Err(failed("it ended before it listened; its messages are above".to_owned()))
    })
    .await
    .map_err(|_| failed("it did not listen within a minute".to_owned()))??;
    // A pipe that nobody reads would block the server once it is full.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((url, child))
}
