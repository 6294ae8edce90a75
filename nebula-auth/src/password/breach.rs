//! Lists of passwords that attackers try first.

use std::{collections::HashSet, fmt, sync::Arc};

use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::Error;

/// Knows passwords that have leaked. Asked for every new password, after the length was checked.
///
/// # Contract
/// - Never logs or keeps the password.
/// - An `Err` means that the list could not be asked; the password is then not accepted, and the caller may try again.
#[async_trait]
pub trait BreachList: fmt::Debug + Send + Sync + 'static {
    /// Whether the password is on the list.
    ///
    /// # Errors
    /// When the list cannot be asked.
    ///
    /// # Cancel safety
    /// Implementations only read, so dropping the future has no effect.
    async fn contains(&self, password: &SecretString) -> Result<bool, Error>;
}

#[async_trait]
impl<T: BreachList + ?Sized> BreachList for Arc<T> {
    async fn contains(&self, password: &SecretString) -> Result<bool, Error> {
        (**self).contains(password).await
    }
}

/// A list in memory, compared without case. Load it from a file of common passwords and add the names of your product.
#[derive(Clone, Default)]
pub struct DenyList(Arc<HashSet<[u8; 32]>>);

impl DenyList {
    /// A list of these passwords; blank ones are left out.
    pub fn new<S: AsRef<str>>(passwords: impl IntoIterator<Item = S>) -> Self {
        let hashes = passwords.into_iter().filter(|p| !p.as_ref().trim().is_empty()).map(|p| fingerprint(p.as_ref()));
        Self(Arc::new(hashes.collect()))
    }

    /// How many passwords the list holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the list holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for DenyList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DenyList").field("len", &self.len()).finish()
    }
}

#[async_trait]
impl BreachList for DenyList {
    async fn contains(&self, password: &SecretString) -> Result<bool, Error> {
        Ok(self.0.contains(&fingerprint(password.expose_secret())))
    }
}

fn fingerprint(password: &str) -> [u8; 32] {
    let hash = digest(&SHA256, password.trim().to_lowercase().as_bytes());
    let mut out = [0u8; 32];
    out.copy_from_slice(hash.as_ref());
    out
}
