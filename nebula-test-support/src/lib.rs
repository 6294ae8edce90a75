#![doc = include_str!("../README.md")]
#![allow(clippy::panic, reason = "a test helper fails a test by panicking")]

mod browser;
mod error;
mod eventually;
mod metrics_table;
mod pgbouncer;
mod port;
mod process;
mod proxy;
mod rabbitmq;
mod redis_ask;
mod redis_cluster;
mod redis_nodes;
mod redis_replication;
mod redis_sentinel;
mod redis_server;
mod refused;
mod shared;
mod smtp_server;
mod sql_server;
mod user;
mod versus;

pub use browser::{chromium, rendered};
pub use error::StartError;
pub use eventually::{Attempt, eventually};
pub use metrics_table::metrics_are_documented;
pub use pgbouncer::PgBouncer;
pub use port::ReservedPort;
pub use process::{Probe, ServerProcess, ServerSpec};
pub use proxy::TcpProxy;
pub use rabbitmq::{AMQP_URL_VARIABLE, RabbitMq, amqp_url};
pub use redis_cluster::RedisCluster;
pub use redis_nodes::RedisNodes;
pub use redis_replication::RedisReplication;
pub use redis_sentinel::RedisSentinel;
pub use redis_server::{RedisOptions, RedisServer, TlsFiles};
pub use refused::refused;
pub use shared::{
    MARIADB_URL_VARIABLE, POSTGRES_URL_VARIABLE, REDIS_CLUSTER_VARIABLE, REDIS_NODES_VARIABLE,
    REDIS_SENTINELS_VARIABLE, REDIS_URL_VARIABLE, mariadb_database, postgres_database, redis_cluster_urls,
    redis_node_urls, redis_sentinels, redis_url, unique,
};
pub use smtp_server::{ReceivedMail, SmtpFault, SmtpOptions, SmtpServer, SmtpStage};
pub use sql_server::{SqlEngine, SqlOptions, SqlServer};
pub use versus::{Comparison, Effort, Latencies, Unit, Versus};
