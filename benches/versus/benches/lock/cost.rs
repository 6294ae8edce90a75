//! Processor time, which says more than throughput where clients and server share the cores.

use std::fs;

/// Time on a processor, in nanoseconds, that the threads of a process have had so far (Linux only).
pub(crate) fn processor_time(process: u32) -> u64 {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return 0 };
    let times = threads.flatten().filter_map(|thread| {
        let schedule = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        schedule.split_whitespace().next()?.parse::<u64>().ok()
    });
    times.sum()
}

/// What the client and the server have spent since [`Meter::start`].
pub(crate) struct Meter {
    server: u32,
    client_before: u64,
    server_before: u64,
}

/// Nanoseconds on a processor.
#[derive(Clone, Copy, Default)]
pub(crate) struct Spent {
    pub(crate) client: u64,
    pub(crate) server: u64,
    pub(crate) pairs: u64,
}

impl Meter {
    pub(crate) fn start(server: u32) -> Self {
        Self { server, client_before: processor_time(std::process::id()), server_before: processor_time(server) }
    }

    pub(crate) fn stop(self, pairs: u64) -> Spent {
        Spent {
            client: processor_time(std::process::id()).saturating_sub(self.client_before),
            server: processor_time(self.server).saturating_sub(self.server_before),
            pairs,
        }
    }
}

impl Spent {
    pub(crate) fn add(&mut self, other: Self) {
        self.client += other.client;
        self.server += other.server;
        self.pairs += other.pairs;
    }
}

impl std::fmt::Display for Spent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let each = |nanos: u64| nanos as f64 / 1_000.0 / self.pairs.max(1) as f64;
        write!(f, "client={:.1} server={:.1} unit=us/pair", each(self.client), each(self.server))
    }
}
