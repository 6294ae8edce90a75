//! What an application makes of the parts.

use std::sync::Arc;

use super::Auth;
#[cfg(feature = "oidc")]
use crate::oidc::OidcClient;
use crate::{
    error::Error,
    mfa::{CodeSender, MfaProvider, OneTimeCodes},
    provider::{AuthenticationProvider, PasswordAccounts, PasswordProvider},
};

impl Auth {
    /// The login for these accounts: passwords, slowed down as configured, and the second factor of those who have one if
    /// `nebula.auth.mfa.enabled` says so.
    #[must_use]
    pub fn login(&self, accounts: impl PasswordAccounts) -> Arc<dyn AuthenticationProvider> {
        let passwords = PasswordProvider::new(self.passwords.clone(), accounts).with_throttle(self.throttle.clone());
        match &self.totp {
            None => Arc::new(passwords),
            Some(totp) => {
                let required = self.config.mfa.required;
                Arc::new(MfaProvider::new(passwords, totp.clone(), Arc::clone(&self.proofs)).with_required(required))
            }
        }
    }

    /// One-time codes by message, kept under `nebula.auth.mfa.key`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) or [`ErrorKind::WeakSecret`](crate::ErrorKind::WeakSecret) if there
    /// is no such key, or the limits cannot be used.
    pub fn one_time_codes(&self, sender: impl CodeSender) -> Result<OneTimeCodes, Error> {
        let (key, code) = (self.config.mfa.factor_key()?, &self.config.mfa.code);
        let (account, _) = self.config.throttle.back_offs()?;
        Ok(OneTimeCodes::new(Arc::clone(&self.proofs), key, sender)
            .with_limits(code.digits, code.expiration, code.attempts)?
            .with_cool_down(code.cool_down)
            .with_back_off(account))
    }

    /// The client for a provider that is configured under that name.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if there is none, and as [`OidcClient::discover`].
    ///
    /// # Cancel safety
    /// Safe: only reads.
    #[cfg(feature = "oidc")]
    #[cfg_attr(docsrs, doc(cfg(feature = "oidc")))]
    pub async fn oidc(&self, name: &str) -> Result<OidcClient, Error> {
        let Some(settings) = self.config.oidc.get(name) else {
            return Err(Error::config(format!("nebula.auth.oidc.{name:?} is not set")));
        };
        OidcClient::discover(settings.clone(), Arc::clone(&self.proofs)).await
    }
}
