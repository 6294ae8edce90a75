//! Real MariaDB and PostgreSQL servers.

mod engine;
mod options;
mod standby;

use std::path::Path;

use tempfile::TempDir;

use crate::error::StartError;
use crate::port::ReservedPort;
use crate::process::ServerProcess;
use crate::shared::unique;

pub use engine::SqlEngine;
pub use options::SqlOptions;

/// A MariaDB or PostgreSQL server as a child process, on a private port and in a private folder. Dropping it kills it and
/// deletes the folder.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use nebula_test_support::{SqlEngine, SqlServer};
///
/// let mut server = SqlServer::start(SqlEngine::Postgres).await;
/// let url = server.create_database().await;
/// assert!(url.starts_with("postgres://postgres@127.0.0.1:"));
/// server.kill(); // SIGKILL
/// server.restart().await; // same port, same data
/// # });
/// ```
#[derive(Debug)]
pub struct SqlServer {
    // The order matters: the server has to be gone before its folder and its port are given away.
    process: ServerProcess,
    engine: SqlEngine,
    port: ReservedPort,
    folder: TempDir,
}

impl SqlServer {
    /// A server that never waits for a disk. What it has committed survives SIGKILL all the same, since the operating
    /// system has it.
    ///
    /// # Panics
    /// When it cannot be started.
    ///
    /// # Cancel safety
    /// Dropping the future kills the server.
    pub async fn start(engine: SqlEngine) -> Self {
        Self::options(engine).start().await
    }

    /// A server with options.
    #[must_use]
    pub fn options(engine: SqlEngine) -> SqlOptions {
        SqlOptions::new(engine)
    }

    /// Creates a database that nobody else uses, and returns its URL.
    ///
    /// # Panics
    /// When the server refuses or cannot be reached.
    ///
    /// # Cancel safety
    /// Dropping the future may leave the database behind, empty.
    pub async fn create_database(&self) -> String {
        let name = unique("test").replace('-', "_");
        self.engine.create_database(&self.url(self.engine.first_database()), &name).await;
        self.url(&name)
    }

    /// Where to connect, to a database of this name.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.url_via(self.port(), database)
    }

    /// Where to connect, going through somebody else's port, for example that of a [`TcpProxy`](crate::TcpProxy).
    #[must_use]
    pub fn url_via(&self, port: u16, database: &str) -> String {
        self.engine.url(port, database)
    }

    /// Which one it is.
    #[must_use]
    pub fn engine(&self) -> SqlEngine {
        self.engine
    }

    /// The port on 127.0.0.1; it stays the same over restarts.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
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

    /// Freezes the server with all its processes (SIGSTOP): connections stay open, nobody answers.
    pub fn stop(&self) {
        self.process.stop();
    }

    /// Continues a frozen server (SIGCONT).
    pub fn cont(&self) {
        self.process.cont();
    }

    /// Kills the server with all its processes (SIGKILL) and returns when it is gone. Its data stay.
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
        for attempt in 0.. {
            match self.process.restart().await {
                Ok(()) => return,
                // The processes that served connections may need a moment to be gone after their parent.
                Err(StartError::Ended { log, .. }) if attempt < 50 && log.contains("still in use") => {}
                Err(error) => panic!("{} did not come back: {error}", self.engine),
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }

    /// The last lines of the server's log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        self.process.log_tail()
    }
}
