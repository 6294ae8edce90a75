//! Starts one of each kind of server that tests share, prints the environment variables that lead to them as lines of
//! `NAME=value`, then an empty line, and keeps them until its standard input ends.
//!
//! Test programs that find these variables do not start servers of their own.

use std::io::Write as _;

use nebula_test_support::{
    MARIADB_URL_VARIABLE, POSTGRES_URL_VARIABLE, REDIS_CLUSTER_VARIABLE, REDIS_NODES_VARIABLE,
    REDIS_SENTINELS_VARIABLE, REDIS_URL_VARIABLE, SqlEngine, SqlServer, redis_cluster_urls, redis_node_urls,
    redis_sentinels, redis_url,
};
use tokio::io::AsyncReadExt as _;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let (mariadb, postgres, redis, nodes, cluster, (group, sentinels)) = tokio::join!(
        SqlServer::start(SqlEngine::MariaDb),
        SqlServer::start(SqlEngine::Postgres),
        redis_url(),
        redis_node_urls(),
        redis_cluster_urls(),
        redis_sentinels(),
    );
    let variables = [
        (MARIADB_URL_VARIABLE, mariadb.url("mysql")),
        (POSTGRES_URL_VARIABLE, postgres.url("postgres")),
        (REDIS_URL_VARIABLE, redis),
        (REDIS_NODES_VARIABLE, nodes.join(",")),
        (REDIS_CLUSTER_VARIABLE, cluster.join(",")),
        (REDIS_SENTINELS_VARIABLE, format!("{group}@{}", sentinels.join(","))),
    ];
    let lines: String = variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{lines}")?;
    out.flush()?;
    // Whoever started us holds the other end, and lets go of it by ending in whatever way.
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    Ok(())
}
