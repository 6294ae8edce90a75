//! A real PgBouncer before a PostgreSQL server.

use std::sync::Arc;

use tempfile::TempDir;

use crate::error::StartError;
use crate::port::ReservedPort;
use crate::process::{ServerProcess, ServerSpec};

/// PgBouncer with transaction pooling: each transaction of a client is on whichever of its few server connections is free, so that what a
/// client leaves behind on one is found by another. Dropping it kills it.
#[derive(Debug)]
pub struct PgBouncer {
    _process: ServerProcess,
    port: ReservedPort,
    _folder: TempDir,
}

impl PgBouncer {
    /// Before the server on that port of 127.0.0.1, as that user, with so many connections to each database.
    ///
    /// # Panics
    /// When it cannot be started; the message holds the end of its log.
    ///
    /// # Cancel safety
    /// Dropping the future kills it.
    pub async fn start(server: u16, user: &str, password: &str, connections: u32) -> Self {
        for _ in 0..10 {
            match Self::attempt(server, user, password, connections).await {
                Err(error) if error.port_taken() => {}
                Err(error) => panic!("no PgBouncer for this test: {error}"),
                Ok(started) => return started,
            }
        }
        panic!("no port for a PgBouncer");
    }

    async fn attempt(server: u16, user: &str, password: &str, connections: u32) -> Result<Self, StartError> {
        let port = ReservedPort::pick().map_err(StartError::os("claim a port"))?;
        let folder = tempfile::Builder::new().prefix("nebula-pgbouncer-").tempdir();
        let folder = folder.map_err(StartError::os("create a temporary folder"))?;
        let number = port.number();
        // Whoever comes is let in, and is that user at the server.
        let config = format!(
            "[databases]\n\
             * = host=127.0.0.1 port={server} user={user} password={password}\n\
             [pgbouncer]\n\
             listen_addr = 127.0.0.1\n\
             listen_port = {number}\n\
             unix_socket_dir =\n\
             auth_type = any\n\
             pool_mode = transaction\n\
             default_pool_size = {connections}\n\
             max_client_conn = 500\n\
             ignore_startup_parameters = extra_float_digits\n"
        );
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, config).map_err(StartError::os("write the configuration of PgBouncer"))?;
        let spec = ServerSpec::new("pgbouncer", folder.path())
            .args(["pgbouncer.ini"])
            .run_as("postgres")
            .scrap_folder()
            .probe(Arc::new(move |_| {
                Box::pin(async move {
                    let connected = tokio::net::TcpStream::connect(("127.0.0.1", number)).await;
                    connected.map(drop).map_err(|error| error.to_string())
                })
            }));
        Ok(Self { _process: ServerProcess::start(spec).await?, port, _folder: folder })
    }

    /// Where clients connect, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }
}
