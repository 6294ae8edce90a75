//! A login on its way to a provider and back, whatever the provider speaks.

use std::time::Duration;

use secrecy::SecretString;
use subtle::ConstantTimeEq as _;

use super::{
    LoginRequest, OidcRefusal,
    browser::{Browser, Stored},
    client::Callback,
};
use crate::{
    clock::{from_unix_millis, unix_millis},
    error::Error,
    proof::{Change, ProofKey, ProofStore, Records},
    random,
};

/// How long somebody may take at the provider.
pub(super) const EXPIRATION: Duration = Duration::from_mins(10);

/// Logins that are under way with one provider.
#[derive(Clone)]
pub(super) struct Flow {
    pub(super) records: Records,
    kind: &'static str,
}

impl Flow {
    pub(super) fn new(kind: &'static str, store: impl ProofStore) -> Self {
        Self { records: Records::new(store), kind }
    }

    /// A new login: its `state`, and the secret for the browser's cookie.
    pub(super) async fn begin(&self, provider: &str, request: &LoginRequest) -> Result<(String, SecretString), Error> {
        let (state, secret) = (random::secret_id()?, SecretString::from(random::secret_id()?));
        let mark = Browser::new(&secret, &state).mark();
        let return_to = request.return_to.as_ref().map(|path| path.as_str().to_owned());
        self.records
            .update(&ProofKey::of(self.kind, &[provider, &state]), |_: Option<Stored>, now| {
                let end = now + EXPIRATION;
                let stored = Stored {
                    v: 1,
                    browser: mark,
                    used: false,
                    return_to: return_to.clone(),
                    link_to: request.link_to.clone(),
                    ends_ms: unix_millis(end),
                };
                Ok(Change::Put(stored, end, ()))
            })
            .await?;
        Ok((state, secret))
    }

    /// The login that came back. It is used up before anything else happens, and kept until its end, so that it is known
    /// when it comes back again.
    pub(super) async fn take(
        &self,
        provider: &str,
        callback: &Callback,
        browser: &Browser<'_>,
    ) -> Result<Result<Stored, OidcRefusal>, Error> {
        let mark = browser.mark();
        let key = ProofKey::of(self.kind, &[provider, &callback.state]);
        self.records
            .update(&key, |found: Option<Stored>, _| {
                let Some(stored) = found else { return Ok(Change::Keep(Err(OidcRefusal::StateMismatch))) };
                if !bool::from(stored.browser.ct_eq(&mark)) {
                    return Ok(Change::Keep(Err(OidcRefusal::StateMismatch)));
                }
                if stored.used {
                    return Ok(Change::Keep(Err(OidcRefusal::StateReplayed)));
                }
                let end = from_unix_millis(stored.ends_ms);
                Ok(Change::Put(Stored { used: true, ..stored.clone() }, end, Ok(stored)))
            })
            .await
    }
}

impl Callback {
    /// The code, unless the provider says no.
    pub(super) fn accepted(&self) -> Result<&SecretString, OidcRefusal> {
        self.code.as_ref().filter(|_| self.error.is_none()).ok_or(OidcRefusal::Denied)
    }
}
