//! Starts a server (`redis`, `mariadb` or `postgres`), prints its process id and its folder, and waits to be killed.
//!
//! A test kills it with SIGKILL and looks whether the server and the folder are gone.

use std::io::Write;
use std::path::Path;

use nebula_test_support::{RedisServer, SqlEngine, SqlServer};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("mariadb") => hold_sql(SqlEngine::MariaDb).await,
        Some("postgres") => hold_sql(SqlEngine::Postgres).await,
        _ => {
            let server = RedisServer::options().append_only().start().await;
            announce(server.pid(), server.folder())?;
            std::future::pending().await
        }
    }
}

async fn hold_sql(engine: SqlEngine) -> std::io::Result<()> {
    let server = SqlServer::start(engine).await;
    announce(server.pid(), server.folder())?;
    std::future::pending().await
}

fn announce(pid: u32, folder: &Path) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{pid} {}", folder.display())?;
    out.flush()
}
