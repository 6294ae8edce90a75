//! Free local ports that stay ours.

use std::fs::{File, OpenOptions};
use std::io;
use std::net::TcpListener;

use rand::RngExt as _;

/// Below the range from which Linux takes the ports of outgoing connections (32768 and up): a port from here cannot be
/// taken by somebody's client socket while our server is down between a kill and a restart.
const RANGE: std::ops::Range<u16> = 12_000..32_000;

const ATTEMPTS: usize = 200;

/// A TCP port on 127.0.0.1 that no other test process of this project will pick while this value lives.
///
/// The claim is an advisory lock on a file that is named after the port; the kernel releases it when the process ends,
/// however it ends. Programs outside this project know nothing of such locks, therefore the port is also tried out, and
/// whoever starts a server on it must still be prepared to see the bind fail.
#[derive(Debug)]
pub struct ReservedPort {
    number: u16,
    _claim: File,
    /// Its claim ends with ours.
    _bus: Option<Box<Self>>,
}

/// How far above its port a node of a Redis cluster talks to the others.
pub(crate) const BUS: u16 = 10_000;

impl ReservedPort {
    /// Claims a free port.
    ///
    /// # Errors
    /// When no port could be claimed in two hundred attempts, or the lock files cannot be created.
    pub fn pick() -> io::Result<Self> {
        for _ in 0..ATTEMPTS {
            let number = rand::rng().random_range(RANGE);
            if let Some(port) = Self::claim(number)? {
                return Ok(port);
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, format!("no free port found in {ATTEMPTS} attempts")))
    }

    /// Claims a free port together with the one that a node of a Redis cluster opens besides.
    pub(crate) fn pick_with_bus() -> io::Result<Self> {
        for _ in 0..ATTEMPTS {
            let number = rand::rng().random_range(RANGE.start..RANGE.end - BUS);
            if let Some(port) = Self::claim(number)?
                && let Some(bus) = Self::claim(number + BUS)?
            {
                return Ok(Self { _bus: Some(Box::new(bus)), ..port });
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, format!("no free pair of ports found in {ATTEMPTS} attempts")))
    }

    /// Claims this very port; `None` when somebody has it.
    ///
    /// # Errors
    /// When the lock file cannot be created.
    pub fn claim(number: u16) -> io::Result<Option<Self>> {
        let folder = std::env::temp_dir().join("nebula-test-ports");
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(number.to_string());
        let claim = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        if claim.try_lock().is_err() || TcpListener::bind(("127.0.0.1", number)).is_err() {
            return Ok(None);
        }
        Ok(Some(Self { number, _claim: claim, _bus: None }))
    }

    /// The port number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_port_is_refused_to_others_until_it_is_dropped() {
        let port = ReservedPort::pick().unwrap();
        assert!(ReservedPort::claim(port.number()).unwrap().is_none());
        let number = port.number();
        drop(port);
        assert!(ReservedPort::claim(number).unwrap().is_some());
    }

    #[test]
    fn a_port_with_a_listener_is_not_claimed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(ReservedPort::claim(listener.local_addr().unwrap().port()).unwrap().is_none());
    }
}
