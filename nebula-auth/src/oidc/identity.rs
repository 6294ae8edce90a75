//! Who somebody is to a provider.

/// Who somebody is to a provider, as its ID token says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExternalIdentity {
    /// The provider.
    pub issuer: String,
    /// Who they are there; with the issuer, the only thing that identifies them.
    pub subject: String,
    /// An address, which may be anybody's unless it is verified.
    pub email: Option<String>,
    /// Whether the provider says, with a JSON `true`, that the address is theirs.
    pub email_verified: bool,
    /// What they are called.
    pub name: Option<String>,
    /// Where to go now.
    pub return_to: Option<String>,
    /// Who was logged in when the login began, and asked to be joined with this identity.
    pub link_to: Option<String>,
}
