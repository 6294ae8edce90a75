//! Whose account an identity is.

use super::ExternalIdentity;

/// An account here with the same address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalAccount {
    /// Whose it is.
    pub subject: String,
    /// Whether we have verified that the address is theirs.
    pub email_verified: bool,
}

/// What to do with an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum LinkDecision {
    /// It belongs to this account: start a session.
    LogIn(String),
    /// It belongs to this account from now on: store that, and start a session.
    Link(String),
    /// Nobody here is known by it: make an account.
    Create,
    /// There is an account with the same address, and it is not proven that it is theirs: have them log in to it, and
    /// link from there.
    LinkRequiresLogin,
    /// It belongs to another account than the one that they are logged in to.
    BelongsToAnother,
}

/// Decides whose account an identity is: `linked` is the account that is stored under its issuer and subject, `same_email`
/// one with its address.
///
/// An address alone joins nothing: whoever can have a provider say any address would have the account of its owner, and
/// whoever registers here with the address of somebody else would get their login later. Both sides have to have verified
/// it, or the owner has to be logged in.
pub fn decide_link(
    identity: &ExternalIdentity,
    linked: Option<&str>,
    same_email: Option<&LocalAccount>,
) -> LinkDecision {
    match (linked, &identity.link_to) {
        (Some(owner), Some(wanted)) if owner != wanted => LinkDecision::BelongsToAnother,
        (Some(owner), _) => LinkDecision::LogIn(owner.to_owned()),
        (None, Some(wanted)) => LinkDecision::Link(wanted.clone()),
        (None, None) => match same_email.filter(|_| identity.email.is_some()) {
            Some(local) if local.email_verified && identity.email_verified => LinkDecision::Link(local.subject.clone()),
            Some(_) => LinkDecision::LinkRequiresLogin,
            None => LinkDecision::Create,
        },
    }
}
