//! Who is calling, by address.

use std::net::{IpAddr, Ipv6Addr};

use http::HeaderMap;
use http::header::HeaderName;

use super::super::quota::invalid;
use crate::error::Result;

/// The network of an address by which limits count: an IPv4 address alone, and the first 64 bits of an IPv6 address, of which
/// anybody has as many as there are grains of sand. IPv4 addresses in IPv6 clothes are IPv4 addresses.
///
/// ```
/// use nebula_cache::rate_limit::http::client_network;
///
/// assert_eq!(client_network("203.0.113.7".parse()?), "203.0.113.7");
/// assert_eq!(client_network("2001:db8:1:2:3:4:5:6".parse()?), "2001:db8:1:2::/64");
/// assert_eq!(client_network("::ffff:203.0.113.7".parse()?), "203.0.113.7");
/// # Ok::<_, std::net::AddrParseError>(())
/// ```
#[must_use]
pub fn client_network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("{}/64", Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

/// Proxies in front of the service whose word about the client's address is believed.
///
/// A header such as `X-Forwarded-For` can be sent by anybody: it counts only when the peer is a proxy that is named here, and
/// of its entries the last one that is not such a proxy, because whatever stands before it was sent by the client.
#[derive(Clone, Debug)]
pub struct TrustedProxies {
    header: HeaderName,
    networks: Vec<Network>,
}

#[derive(Clone, Copy, Debug)]
struct Network {
    address: IpAddr,
    bits: u8,
}

impl TrustedProxies {
    /// Proxies at these addresses or networks (`10.0.0.0/8`), which append to `X-Forwarded-For`.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`](crate::ErrorKind::ConfigInvalid) for what is neither.
    pub fn new<'a>(networks: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let networks = networks
            .into_iter()
            .map(|text| Network::parse(text).ok_or_else(|| invalid(format!("{text:?} is no address and no network"))))
            .collect::<Result<_>>()?;
        Ok(Self { header: HeaderName::from_static("x-forwarded-for"), networks })
    }

    /// The header that the proxies set, when it is another one: a list of addresses of which each proxy appends what it sees,
    /// or one address.
    #[must_use]
    pub fn with_header(mut self, header: HeaderName) -> Self {
        self.header = header;
        self
    }

    /// The client's address: the peer's, unless the peer is a proxy that knows better.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.trusts(peer) {
            return peer;
        }
        let lines: Vec<&str> = headers.get_all(&self.header).iter().filter_map(|line| line.to_str().ok()).collect();
        let mut nearest = peer;
        for entry in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
            // What cannot be read ends what can be believed.
            let Some(address) = address(entry.trim()) else { break };
            nearest = address;
            if !self.trusts(address) {
                break;
            }
        }
        nearest
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }
}

/// An address, perhaps with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(text, |(inside, _)| inside);
    bare.parse().ok().or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()))
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self { address, bits })
    }

    fn contains(&self, other: IpAddr) -> bool {
        let same = |a: u128, b: u128, width: u32| {
            let shift = width - u32::from(self.bits);
            a.checked_shr(shift).unwrap_or(0) == b.checked_shr(shift).unwrap_or(0)
        };
        match (self.address, other.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, lines: &[&str]) -> String {
        let proxies = TrustedProxies::new(["10.0.0.0/8", "fd00::/8", "192.0.2.1"]).unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn a_header_counts_only_from_a_proxy() {
        assert_eq!(client("203.0.113.7", &["198.51.100.1"]), "203.0.113.7");
        assert_eq!(client("10.1.2.3", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("::ffff:10.1.2.3", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("fd00::1", &["[2001:db8::5]:4711"]), "2001:db8::5");
        assert_eq!(client("10.1.2.3", &["198.51.100.1:80"]), "198.51.100.1");
    }

    #[test]
    fn what_the_client_wrote_is_not_believed() {
        assert_eq!(client("10.1.2.3", &["1.1.1.1, 198.51.100.1"]), "198.51.100.1");
        assert_eq!(client("10.1.2.3", &["1.1.1.1", "198.51.100.1, 10.9.9.9"]), "198.51.100.1");
        assert_eq!(client("10.1.2.3", &["1.1.1.1, nonsense, 192.0.2.1"]), "192.0.2.1");
        assert_eq!(client("10.1.2.3", &[""]), "10.1.2.3");
        assert_eq!(client("10.1.2.3", &[]), "10.1.2.3");
    }

    #[test]
    fn networks_that_are_none_are_told() {
        for text in ["", "10.0.0.0/33", "fd00::/129", "10.0.0/8", "proxy"] {
            assert!(TrustedProxies::new([text]).is_err(), "{text}");
        }
        let all = Network::parse("0.0.0.0/0").unwrap();
        assert!(all.contains("203.0.113.7".parse().unwrap()) && !all.contains("::1".parse().unwrap()));
        let all = Network::parse("::/0").unwrap();
        assert!(all.contains("2001:db8::1".parse().unwrap()));
    }
}
