//! What an application makes of the parts.

use std::sync::Arc;

use super::Auth;
#[cfg(feature = "oidc")]
use crate::oidc::{OAuthClient, OidcClient, UserInfoMapper};
use crate::{
    audit::AuditLog,
    error::Error,
    mfa::{CodeSender, MfaProvider, OneTimeCodes},
    provider::{AuthenticationProvider, PasswordAccounts, PasswordProvider},
};

impl Auth {
    /// Writes to that log what happens to logins, second factors, one-time codes and sessions. Take the parts after it.
    #[must_use]
    pub fn with_audit(mut self, log: AuditLog) -> Self {
        self.sessions = self.sessions.with_audit(log.clone());
        self.totp = self.totp.map(|totp| totp.with_audit(log.clone()));
        self.audit = Some(log);
        self
    }

    /// The login for these accounts: passwords, slowed down as configured, and the second factor of those who have one if
    /// `nebula.auth.mfa.enabled` says so.
    #[must_use]
    pub fn login(&self, accounts: impl PasswordAccounts) -> Arc<dyn AuthenticationProvider> {
        let mut passwords =
            PasswordProvider::new(self.passwords.clone(), accounts).with_throttle(self.throttle.clone());
        if let Some(log) = &self.audit {
            passwords = passwords.with_audit(log.clone());
        }
        match &self.totp {
            None => Arc::new(passwords),
            Some(totp) => {
                let required = self.config.mfa.required;
                let mut provider =
                    MfaProvider::new(passwords, totp.clone(), Arc::clone(&self.proofs)).with_required(required);
                if let Some(log) = &self.audit {
                    provider = provider.with_audit(log.clone());
                }
                Arc::new(provider)
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
        let codes = OneTimeCodes::new(Arc::clone(&self.proofs), key, sender)
            .with_limits(code.digits, code.expiration, code.attempts)?
            .with_cool_down(code.cool_down)
            .with_back_off(account);
        Ok(match &self.audit {
            Some(log) => codes.with_audit(log.clone()),
            None => codes,
        })
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
        let client = OidcClient::discover(settings.clone(), Arc::clone(&self.proofs)).await?;
        Ok(match &self.audit {
            Some(log) => client.with_audit(log.clone()),
            None => client,
        })
    }

    /// The client for a provider without OpenID Connect that is configured under that name; `mapper` reads what it says about
    /// users, for example [`OAuthUser::from_github`](crate::oidc::OAuthUser::from_github).
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if there is none, or its settings cannot be used.
    #[cfg(feature = "oidc")]
    #[cfg_attr(docsrs, doc(cfg(feature = "oidc")))]
    pub fn oauth(&self, name: &str, mapper: impl UserInfoMapper) -> Result<OAuthClient, Error> {
        let Some(settings) = self.config.oauth.get(name) else {
            return Err(Error::config(format!("nebula.auth.oauth.{name:?} is not set")));
        };
        let client = OAuthClient::new(settings.clone(), mapper, Arc::clone(&self.proofs))?;
        Ok(match &self.audit {
            Some(log) => client.with_audit(log.clone()),
            None => client,
        })
    }
}
