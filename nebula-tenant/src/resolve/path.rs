//! A part of the path.

use http::request::Parts;

use super::{Hint, Malformed, Resolver};

/// Reads the tenant from the path: `/m/star/orders` with the prefix `/m/`. Paths that do not begin so say nothing.
#[derive(Debug, Clone)]
pub struct PathSegment {
    prefix: String,
}

impl PathSegment {
    /// After that prefix, which is taken to begin and to end with `/`.
    #[must_use]
    pub fn after(prefix: &str) -> Self {
        let plain = prefix.trim_matches('/');
        Self { prefix: if plain.is_empty() { "/".to_owned() } else { format!("/{plain}/") } }
    }
}

impl Resolver for PathSegment {
    fn name(&self) -> &'static str {
        "path"
    }

    fn resolve(&self, request: &Parts) -> Result<Option<Hint>, Malformed> {
        let Some(rest) = request.uri.path().strip_prefix(&self.prefix) else { return Ok(None) };
        let segment = rest.split('/').next().unwrap_or_default();
        // Nothing is decoded: a name needs no escapes, and what decodes to another name is no name.
        segment.parse().map(|tenant| Some(Hint::Tenant(tenant))).map_err(|_| Malformed)
    }
}
