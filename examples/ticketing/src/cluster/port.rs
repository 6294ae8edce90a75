//! Free ports for servers that keep theirs when they are killed and started again.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
};

use rand::RngExt;

/// Below the ports that systems give to outgoing connections: one of those could take a port while its server is down.
const RANGE: std::ops::Range<u16> = 12_000..32_000;
const ATTEMPTS: usize = 200;

/// A port on which nobody listens at this moment.
pub(crate) fn free() -> io::Result<u16> {
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    (0..ATTEMPTS)
        .map(|_| rand::rng().random_range(RANGE))
        .find(free)
        .ok_or_else(|| io::Error::new(io::ErrorKind::AddrInUse, "no free port was found"))
}
