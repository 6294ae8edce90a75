//! Starts a `redis-server`, prints its process id and its folder, and waits to be killed.
//!
//! A test kills it with SIGKILL and looks whether the server and the folder are gone.

use std::io::Write;

use nebula_test_support::RedisServer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let server = RedisServer::options().append_only().start().await;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{} {}", server.pid(), server.folder().display())?;
    out.flush()?;
    std::future::pending().await
}
