//! How many processes it takes.

use super::OnlineError;
use crate::{descriptors, http::places};

/// Most servers that are started.
const SERVERS: u32 = 16;
/// Descriptors that a process of clients needs besides.
const RESERVE: u64 = 64;

/// Who opens how many connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) servers: u32,
    pub(super) clients: u32,
}

/// What the system lets processes have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Connections that a server takes.
    pub(super) server: u64,
    /// Files that a process may have open.
    pub(super) process: u64,
    /// Files that all processes may have open.
    pub(super) system: u64,
}

impl Limits {
    pub(super) fn here() -> Self {
        let text = std::fs::read_to_string("/proc/sys/fs/file-max").unwrap_or_default();
        Self {
            server: u64::try_from(places::room(1)).unwrap_or(u64::MAX),
            process: descriptors::allowed(),
            system: text.trim().parse().unwrap_or(u64::MAX),
        }
    }
}

impl Plan {
    /// For so many connections, with as many servers as are asked for or as it takes; `running` ones have their own limits.
    pub(super) fn of(
        connections: u32,
        servers: Option<u32>,
        running: Option<u32>,
        limits: Limits,
    ) -> Result<Self, OnlineError> {
        let wanted = u64::from(connections);
        let clients = wanted.div_ceil(limits.process.saturating_sub(RESERVE).max(1));
        // Both ends of a connection are on this machine.
        let files = if running.is_some() { wanted } else { 2 * wanted };
        if files > limits.system {
            return Err(OnlineError::System { connections, limit: limits.system });
        }
        let needed = u32::try_from(wanted.div_ceil(limits.server.max(1))).unwrap_or(u32::MAX);
        let servers = running.or(servers).unwrap_or(needed);
        if running.is_none() && (servers < needed || servers > SERVERS) {
            return Err(OnlineError::Process { connections, needed, limit: limits.process, most: SERVERS });
        }
        Ok(Self { servers, clients: u32::try_from(clients).unwrap_or(u32::MAX) })
    }
}

/// How many of `all` the part `number` of `parts` gets.
pub(super) fn share(all: u32, parts: u32, number: u32) -> u32 {
    all / parts + u32::from(number < all % parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { server: 19_488, process: 20_000, system: 1_000_000 };

    #[test]
    fn there_are_as_many_processes_as_descriptors_ask_for() {
        assert_eq!(Plan::of(100_000, None, None, LIMITS).unwrap(), Plan { servers: 6, clients: 6 });
        assert_eq!(Plan::of(2_000, Some(3), None, LIMITS).unwrap(), Plan { servers: 3, clients: 1 });
        // Servers elsewhere know their own limits.
        assert_eq!(Plan::of(100_000, None, Some(2), LIMITS).unwrap(), Plan { servers: 2, clients: 6 });
    }

    #[test]
    fn what_the_system_does_not_allow_is_refused_with_its_name() {
        let few = Plan::of(100_000, Some(3), None, LIMITS).unwrap_err().to_string();
        assert!(few.contains("6 servers") && few.contains("20000") && few.contains("ulimit -Hn"), "{few}");
        let poor = Plan::of(100_000, None, None, Limits { server: 512, process: 1_024, ..LIMITS }).unwrap_err();
        assert!(poor.to_string().contains("196 servers"), "{poor}");
        let system = Plan::of(100_000, None, None, Limits { system: 65_536, ..LIMITS }).unwrap_err().to_string();
        assert!(system.contains("65536") && system.contains("fs.file-max"), "{system}");
    }

    #[test]
    fn nobody_is_left_out() {
        for (all, parts) in [(100_000, 6), (7, 3), (2, 5)] {
            assert_eq!((0..parts).map(|number| share(all, parts, number)).sum::<u32>(), all);
        }
    }
}
