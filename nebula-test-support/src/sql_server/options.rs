//! What a SQL server can be started with.

use crate::error::StartError;
use crate::port::ReservedPort;
use crate::process::ServerProcess;
use crate::sql_server::{SqlEngine, SqlServer};

/// What [`SqlServer`] can be started with.
#[derive(Debug, Clone)]
pub struct SqlOptions {
    engine: SqlEngine,
    durable: bool,
    args: Vec<String>,
    /// Whose data it begins with.
    primary: Option<String>,
}

impl SqlOptions {
    pub(super) fn new(engine: SqlEngine) -> Self {
        Self { engine, durable: false, args: Vec::new(), primary: None }
    }

    /// Syncs every commit to the disk before it is answered, as in production. Only an operating system that crashes makes
    /// a difference to what is kept; commits take their real time.
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// Adds arguments as they stand on the command line, for example `["--max-connections=20"]` for MariaDB or
    /// `["-c", "max_connections=20"]` for PostgreSQL.
    #[must_use]
    pub fn args<I: IntoIterator<Item = A>, A: Into<String>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Begins as a standby of the PostgreSQL server at this URL.
    #[must_use]
    pub(super) fn standby_of(mut self, url: String) -> Self {
        self.primary = Some(url);
        self
    }

    /// Starts the server.
    ///
    /// # Panics
    /// When it cannot be started; the message holds the end of the server's log.
    ///
    /// # Cancel safety
    /// Dropping the future kills the server.
    pub async fn start(self) -> SqlServer {
        let engine = self.engine;
        match self.try_start().await {
            Ok(server) => server,
            Err(error) => panic!("no {engine} for this test: {error}"),
        }
    }

    /// Starts the server.
    ///
    /// # Errors
    /// [`StartError`].
    ///
    /// # Cancel safety
    /// Dropping the future kills the server.
    pub async fn try_start(self) -> Result<SqlServer, StartError> {
        for _ in 0..10 {
            match self.attempt().await {
                // Somebody outside this project took the port between our look and the server's bind.
                Err(error) if error.port_taken() => {}
                result => return result,
            }
        }
        self.attempt().await
    }

    async fn attempt(&self) -> Result<SqlServer, StartError> {
        let engine = self.engine;
        let port = ReservedPort::pick().map_err(StartError::os("claim a port"))?;
        let folder = tempfile::Builder::new().prefix("nebula-sql-").tempdir();
        let folder = folder.map_err(StartError::os("create a temporary folder"))?;
        match &self.primary {
            None => engine.initialise(folder.path()).await?,
            Some(url) => engine.copy(folder.path(), url).await?,
        }
        let spec = engine.spec(folder.path(), port.number(), self.durable)?.args(&self.args).scrap_folder();
        let process = ServerProcess::start(spec).await?;
        Ok(SqlServer { process, engine, port, folder })
    }
}
