//! The RabbitMQ broker that tests share.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Result};
use crate::servers::{Supervisor, free_port, temporary_directory};

/// How long the broker may take until it answers.
const START: Duration = Duration::from_secs(120);

/// Debian's program on the PATH changes to a system user and its folders; the one behind it does as it is told.
const BEHIND_THE_WRAPPER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

#[derive(Debug)]
pub(crate) struct RabbitMq {
    port: u16,
    node: String,
    url: String,
    supervisor: Supervisor,
}

impl RabbitMq {
    pub(crate) fn start() -> Result<Self> {
        let directory = temporary_directory("rabbitmq")?;
        let (port, mapper, distribution) = (free_port()?, free_port()?, free_port()?);
        let node = format!("nebula-{port}@localhost");
        let config = format!(
            "loopback_users = none\nlog.console.level = warning\nlog.file = false\ncluster_name = {node}\n\
             disk_free_limit.absolute = 50MB\nraft.wal_max_size_bytes = 33554432\n"
        );
        std::fs::write(directory.join("rabbitmq.conf"), config).context("writing the broker's configuration")?;
        let server =
            if Path::new(BEHIND_THE_WRAPPER).is_file() { BEHIND_THE_WRAPPER } else { "rabbitmq-server" }.to_owned();
        let file = |name: &str| directory.join(name).display().to_string();
        let mut arguments = vec![
            format!("HOME={}", directory.display()),
            format!("ERL_EPMD_PORT={mapper}"),
            "ERL_EPMD_ADDRESS=127.0.0.1".to_owned(),
            format!("RABBITMQ_NODENAME={node}"),
            format!("RABBITMQ_NODE_PORT={port}"),
            "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1".to_owned(),
            format!("RABBITMQ_DIST_PORT={distribution}"),
            format!("RABBITMQ_MNESIA_BASE={}", file("data")),
            format!("RABBITMQ_LOG_BASE={}", file("logs")),
            "RABBITMQ_LOGS=-".to_owned(),
            format!("RABBITMQ_PID_FILE={}", file("pid")),
            format!("RABBITMQ_ENABLED_PLUGINS_FILE={}", file("plugins")),
            "RABBITMQ_CONF_ENV_FILE=/dev/null".to_owned(),
            format!("RABBITMQ_CONFIG_FILE={}", file("rabbitmq")),
            "RUNNING_UNDER_SYSTEMD=1".to_owned(),
        ];
        // The port mapper stays in the foreground of the supervisor's process group, and dies with it.
        let script = format!("epmd -port {mapper} & exec \"$1\"");
        arguments.extend(["sh".to_owned(), "-c".to_owned(), script, "rabbitmq".to_owned(), server]);
        let supervisor = Supervisor::start(directory, "env", &arguments)?;
        let url = format!("amqp://guest:guest@127.0.0.1:{port}/%2f");
        let broker = Self { port, node, url, supervisor };
        let deadline = Instant::now() + START;
        while !broker.answers() {
            let log = broker.supervisor.log();
            if log.contains("eaddrinuse") || Instant::now() > deadline {
                return Err(Error::new(format!("rabbitmq-server did not start: {log}")));
            }
            sleep(Duration::from_millis(50));
        }
        Ok(broker)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Whether our broker greets, and not one that took the port before it: it knows the name that we gave it.
    pub(crate) fn answers(&self) -> bool {
        let ask = || -> std::io::Result<bool> {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(b"AMQP\x00\x00\x09\x01")?;
            let mut greeting = Vec::new();
            let mut part = [0; 512];
            while greeting.len() < 2_048 {
                match stream.read(&mut part)? {
                    0 => break,
                    length => greeting.extend_from_slice(&part[..length]),
                }
                if greeting.windows(self.node.len()).any(|window| window == self.node.as_bytes()) {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        ask().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_greets_until_it_is_dropped() {
        let broker = RabbitMq::start().unwrap();
        assert!(broker.answers() && broker.url().ends_with("/%2f"));
        let port = broker.port;
        drop(broker);
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            assert!(Instant::now() < deadline, "the broker still listens");
            sleep(Duration::from_millis(20));
        }
    }
}
