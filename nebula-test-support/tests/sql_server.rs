//! The real MariaDB and PostgreSQL: killed, frozen, restarted.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Output, Stdio};
use std::time::Duration;

use nebula_test_support::{SqlEngine, SqlServer, StartError, eventually, mariadb_database, postgres_database};
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(30);

/// Runs a statement with the server's own client.
async fn sql(url: &str, statement: &str) -> Result<String, String> {
    let mut client = if url.starts_with("postgres") {
        let mut psql = Command::new("psql");
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--dbname", url, "--command", statement]);
        psql
    } else {
        let address = url.strip_prefix("mysql://root@127.0.0.1:").unwrap();
        let (port, database) = address.split_once('/').unwrap();
        let mut mariadb = Command::new("mariadb");
        mariadb.args(["--no-defaults", "--protocol=tcp", "--host=127.0.0.1", "--port", port, "--user=root"]);
        mariadb.args(["--skip-column-names", "--batch", database, "--execute", statement]);
        mariadb
    };
    let Output { status, stdout, stderr } =
        client.stdin(Stdio::null()).kill_on_drop(true).output().await.map_err(|error| error.to_string())?;
    if status.success() {
        Ok(String::from_utf8_lossy(&stdout).trim().to_owned())
    } else {
        Err(String::from_utf8_lossy(&stderr).into_owned())
    }
}

/// A session in which a statement runs for longer than any test; returns once the server has begun with it.
async fn at_work(server: &SqlServer, url: &str) -> JoinHandle<Result<String, String>> {
    let (statement, list) = match server.engine() {
        SqlEngine::Postgres => (
            "SELECT pg_sleep(1000)",
            "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(1000)' AND state = 'active'",
        ),
        SqlEngine::MariaDb => (
            "SELECT SLEEP(1000)",
            "SELECT COUNT(*) FROM information_schema.processlist WHERE info = 'SELECT SLEEP(1000)'",
        ),
    };
    let session = tokio::spawn({
        let url = url.to_owned();
        async move { sql(&url, statement).await }
    });
    eventually(LONG, || async { sql(url, list).await.unwrap() == "1" }).await;
    session
}

async fn keeps_its_data_over_sigkill(engine: SqlEngine) {
    let mut server = SqlServer::start(engine).await;
    let url = server.create_database().await;
    let (port, pid) = (server.port(), server.pid());
    sql(&url, "CREATE TABLE t (n INTEGER)").await.unwrap();
    sql(&url, "INSERT INTO t VALUES (7)").await.unwrap();
    let session = at_work(&server, &url).await;

    server.kill();
    assert!(!server.is_running());
    session.await.unwrap().unwrap_err();
    sql(&url, "SELECT n FROM t").await.unwrap_err();

    server.restart().await;
    assert_eq!(sql(&url, "SELECT n FROM t").await.unwrap(), "7");
    assert_eq!(server.port(), port);
    assert_ne!(server.pid(), pid);
}

#[tokio::test]
async fn mariadb_keeps_its_data_over_sigkill() {
    keeps_its_data_over_sigkill(SqlEngine::MariaDb).await;
}

#[tokio::test]
async fn postgres_keeps_its_data_over_sigkill() {
    keeps_its_data_over_sigkill(SqlEngine::Postgres).await;
}

/// Whether SIGSTOP has reached the process.
fn is_frozen(pid: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    state.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
}

#[tokio::test]
async fn mariadb_freezes_and_goes_on() {
    let server = SqlServer::options(SqlEngine::MariaDb).durable().start().await;
    let url = server.create_database().await;
    server.stop();
    eventually(LONG, || async { is_frozen(server.pid()) }).await;
    let mut answer = tokio::spawn(async move { sql(&url, "SELECT 1").await });
    assert!(timeout(Duration::from_millis(300), &mut answer).await.is_err(), "a frozen server answers nothing");
    server.cont();
    assert_eq!(answer.await.unwrap().unwrap(), "1");
}

#[tokio::test]
async fn postgres_freezes_with_all_that_serves_and_goes_on() {
    let server = SqlServer::options(SqlEngine::Postgres).durable().start().await;
    let url = server.create_database().await;
    let session = at_work(&server, &url).await;
    let who = "SELECT pid FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(1000)' AND state = 'active'";
    let serves: u32 = sql(&url, who).await.unwrap().parse().unwrap();
    server.stop();
    eventually(LONG, || async { is_frozen(server.pid()) && is_frozen(serves) }).await;
    server.cont();
    eventually(LONG, || async { !is_frozen(serves) }).await;
    assert_eq!(sql(&url, "SELECT 1").await.unwrap(), "1");
    drop(server);
    session.await.unwrap().unwrap_err();
    eventually(LONG, || async { !std::path::Path::new(&format!("/proc/{serves}")).exists() }).await;
}

#[tokio::test]
async fn databases_of_the_shared_servers_are_fresh() {
    for _ in 0..2 {
        for url in [mariadb_database().await, postgres_database().await] {
            sql(&url, "CREATE TABLE only_once (n INTEGER)").await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_refused_argument_is_shown_with_the_log() {
    let error =
        SqlServer::options(SqlEngine::Postgres).args(["-c", "no_such_setting=1"]).try_start().await.unwrap_err();
    assert!(matches!(error, StartError::Ended { .. }), "{error}");
    assert!(error.to_string().contains("no_such_setting"), "{error}");
    let error = SqlServer::options(SqlEngine::MariaDb).args(["--no-such-setting"]).try_start().await.unwrap_err();
    assert!(error.to_string().contains("no-such-setting"), "{error}");
}
