//! Where attempts come from.

use std::{fmt, net::IpAddr};

/// Where an attempt comes from: an address, or something else that an attacker cannot make up at will. Never a header
/// that the client sets.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Source(String);

impl Source {
    /// An address. Of IPv6 the network counts (`/64`), because a single machine has as many addresses as it likes.
    #[must_use]
    pub fn ip(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(format!("ip4:{address}")),
            IpAddr::V6(address) => Self(format!("ip6:{:x}", u128::from(address) >> 64)),
        }
    }

    /// Anything else, for example the id in a signed cookie that a device got at its first login.
    #[must_use]
    pub fn named(name: impl AsRef<str>) -> Self {
        Self(format!("name:{}", name.as_ref()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A name may be a cookie.
        if self.0.starts_with("ip") { write!(f, "Source({})", self.0) } else { f.write_str("Source([redacted])") }
    }
}

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        Self::ip(address)
    }
}
