//! Logins that are to begin.

use super::OidcRefusal;

const MAX_RETURN_TO: usize = 2048;

/// Where to go after a login: a path of this site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnTo(String);

impl ReturnTo {
    /// A path that begins with one slash, perhaps with a query.
    ///
    /// # Errors
    /// [`OidcRefusal::OpenRedirect`] for whatever a browser could take for another site: other schemes, two slashes,
    /// backslashes, control characters.
    pub fn new(path: impl Into<String>) -> Result<Self, OidcRefusal> {
        let path = path.into();
        let here = path.starts_with('/') && !path.starts_with("//") && path.len() <= MAX_RETURN_TO;
        let plain = path.chars().all(|letter| letter.is_ascii_graphic() && letter != '\\');
        if here && plain { Ok(Self(path)) } else { Err(OidcRefusal::OpenRedirect) }
    }

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A login that is to begin.
#[derive(Debug, Clone, Default)]
#[must_use]
#[cfg_attr(not(feature = "oidc"), allow(dead_code, reason = "read by the feature `oidc` only"))]
pub struct LoginRequest {
    pub(super) return_to: Option<ReturnTo>,
    pub(super) link_to: Option<String>,
    pub(super) prompt_login: bool,
}

impl LoginRequest {
    /// A login.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where to go afterwards.
    pub fn return_to(mut self, path: ReturnTo) -> Self {
        self.return_to = Some(path);
        self
    }

    /// For somebody who is logged in, and wants to use the provider from now on as well.
    pub fn link_to(mut self, principal: &crate::Principal) -> Self {
        self.link_to = Some(principal.subject().to_owned());
        self
    }

    /// Asks the provider to have its user prove themselves again.
    pub const fn prompt_login(mut self) -> Self {
        self.prompt_login = true;
        self
    }
}
