//! A claim of a token that was verified before.

use std::fmt;

use http::{Extensions, request::Parts};

use super::{Hint, Malformed, Resolver};

type Read = dyn Fn(&Extensions) -> Option<String> + Send + Sync;

/// Reads the tenant from what authentication left in the extensions of the request.
pub struct Claim {
    read: Box<Read>,
}

impl Claim {
    /// `read` gives the claim, or `None` for a request without a token. Put the layer that verifies tokens outside of this one.
    #[must_use]
    pub fn new(read: impl Fn(&Extensions) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { read: Box::new(read) }
    }
}

impl Resolver for Claim {
    fn name(&self) -> &'static str {
        "claim"
    }

    fn resolve(&self, request: &Parts) -> Result<Option<Hint>, Malformed> {
        let Some(text) = (self.read)(&request.extensions) else { return Ok(None) };
        text.parse().map(|tenant| Some(Hint::Tenant(tenant))).map_err(|_| Malformed)
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").finish_non_exhaustive()
    }
}
