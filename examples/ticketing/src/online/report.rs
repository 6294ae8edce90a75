//! What was seen while so many were online.

use std::{collections::BTreeMap, fmt, time::Duration};

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::rush::Latency;

/// The figures.
#[derive(Clone, Debug, Serialize)]
pub struct OnlineReport {
    /// Whether every connection was opened and stayed open, and every request meanwhile was answered.
    pub sound: bool,
    /// Connections that were wanted.
    pub wanted: u32,
    /// Of them streams of live seats.
    pub streams: u32,
    /// Connections that were open at the end.
    pub open: u32,
    /// What went wrong with the others, by text.
    pub errors: BTreeMap<String, u32>,
    /// Processes that held them.
    pub clients: u32,
    /// Seconds until all were open.
    pub opened_after: f64,
    /// Seconds for which they were held then.
    pub held_for: f64,
    /// The servers.
    pub servers: Vec<ServerReport>,
    /// Latency of requests before.
    pub alone: Latency,
    /// Latency of requests while all were open.
    pub meanwhile: Latency,
}

/// What a server says of itself.
#[derive(Clone, Debug, Serialize)]
pub struct ServerReport {
    /// Where it is.
    pub url: String,
    /// Connections that it had.
    pub connections: f64,
    /// Resident memory before, in bytes.
    pub memory_before: f64,
    /// The same while they were open.
    pub memory: f64,
    /// What a connection takes, in bytes.
    pub per_connection: f64,
}

/// Requests by how they went.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) took: Vec<Duration>,
    pub(super) failed: BTreeMap<String, u32>,
}

/// What a server tells of itself in Prometheus's format.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) memory: f64,
    pub(super) connections: f64,
}

impl Reading {
    pub(super) fn of(metrics: &str) -> Option<Self> {
        let value = |name: &str| {
            let line =
                metrics.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))?;
            line.rsplit(' ').next()?.parse().ok()
        };
        Some(Self { memory: value("process_resident_memory_bytes")?, connections: value("http_connections_open")? })
    }
}

impl ServerReport {
    pub(super) fn new(url: String, before: Reading, after: Reading) -> Self {
        let more = (after.connections - before.connections).max(1.0);
        Self {
            url,
            connections: after.connections,
            memory_before: before.memory,
            memory: after.memory,
            per_connection: (after.memory - before.memory) / more,
        }
    }
}

impl fmt::Display for OnlineReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_preset(presets::ASCII_BORDERS_ONLY_CONDENSED);
        let latency = |l: &Latency| format!("{:.1} / {:.1} / {:.1}", l.p50, l.p95, l.p99);
        let mib = |bytes: f64| bytes / 1_048_576.0;
        for (name, value) in [
            ("connections", format!("{} of {} ({} event streams)", self.open, self.wanted, self.streams)),
            ("servers, processes of clients", format!("{}, {}", self.servers.len(), self.clients)),
            ("open after, held for", format!("{:.1} s, {:.1} s", self.opened_after, self.held_for)),
            ("a request alone p50/p95/p99 ms", latency(&self.alone)),
            ("a request meanwhile p50/p95/p99 ms", latency(&self.meanwhile)),
        ] {
            table.add_row([name.to_owned(), value]);
        }
        for server in &self.servers {
            let figures = format!(
                "{:.0} connections, {:.1} MiB after {:.1} MiB, {:.1} KiB each",
                server.connections,
                mib(server.memory),
                mib(server.memory_before),
                server.per_connection / 1_024.0
            );
            table.add_row([server.url.clone(), figures]);
        }
        writeln!(f, "{table}")?;
        for (what, count) in &self.errors {
            writeln!(f, "ERROR ({count}×): {what}")?;
        }
        f.write_str(if self.sound { "Everybody stayed online." } else { "NOT everybody stayed online." })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_read_by_the_names_of_its_metrics() {
        let metrics = "# TYPE http_connections_open gauge\nhttp_connections_open 12\n\
                       process_resident_memory_bytes_more 1\nprocess_resident_memory_bytes 4096\n";
        let reading = Reading::of(metrics).unwrap();
        assert_eq!((reading.memory, reading.connections), (4_096.0, 12.0));
        assert!(Reading::of("http_connections_open 1\n").is_none());
        let after = Reading { memory: 8_192.0, connections: 14.0 };
        assert_eq!(ServerReport::new("s".to_owned(), reading, after).per_connection, 2_048.0);
    }
}
