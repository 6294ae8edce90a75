//! Where services are that the platform asks.

/// Whether this is a server of this machine, as in tests.
pub(crate) fn is_here(endpoint: &str) -> bool {
    ["http://127.0.0.1:", "http://[::1]:"].iter().any(|local| endpoint.starts_with(local))
}
