//! What logins and sessions write to the log.

use aws_lc_rs::digest::{Context, SHA256};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{AuditLog, AuditRecord, Decision};
use crate::{access::AuthContext, error::Error};

/// Writes down what happens to logins and sessions, if there is a log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Journal(Option<AuditLog>);

impl Journal {
    pub(crate) const fn to(log: AuditLog) -> Self {
        Self(Some(log))
    }

    pub(crate) const fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// Writes a line. What was granted or changed and cannot be written down is an error; a refusal stays one.
    ///
    /// `who` is whom it is about; on behalf of a request it is whoever asks.
    pub(crate) async fn note(
        &self,
        who: &str,
        what: &'static str,
        on: String,
        decision: Decision,
        reason: &str,
    ) -> Result<(), Error> {
        let Some(log) = &self.0 else { return Ok(()) };
        let context = AuthContext::current().ok();
        let asking = context.as_ref().and_then(AuthContext::principal).map(crate::token::Principal::subject);
        let record = AuditRecord {
            who: asking.unwrap_or(who).to_owned(),
            what: what.to_owned(),
            on,
            decision,
            reason: reason.to_owned(),
            request_id: context.as_ref().and_then(AuthContext::request_id).map(str::to_owned),
        };
        match log.write(record).await {
            Ok(_) => Ok(()),
            Err(error) if decision == Decision::Denied => {
                tracing::warn!(target: "nebula_auth", %error, what, "a refusal could not be written to the audit log");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Writes down what became of a login with another provider.
    #[cfg(feature = "oidc")]
    pub(crate) async fn federated(
        &self,
        what: &'static str,
        provider: &str,
        outcome: Result<Result<crate::oidc::ExternalIdentity, crate::oidc::OidcRefusal>, Error>,
    ) -> Result<Result<crate::oidc::ExternalIdentity, crate::oidc::OidcRefusal>, Error> {
        let outcome = outcome?;
        let (on, refusal) = match &outcome {
            Ok(identity) => (format!("{} at {provider}", identity.subject), None),
            Err(refusal) => (provider.to_owned(), Some(refusal.code())),
        };
        self.judged("", what, on, refusal).await?;
        Ok(outcome)
    }

    /// As [`note`](Self::note): granted, or refused for that reason.
    pub(crate) async fn judged(
        &self,
        who: &str,
        what: &'static str,
        on: String,
        refusal: Option<&'static str>,
    ) -> Result<(), Error> {
        let decision = if refusal.is_some() { Decision::Denied } else { Decision::Granted };
        self.note(who, what, on, decision, refusal.unwrap_or_default()).await
    }
}

/// A name as somebody typed it, told from others without being shown: people type passwords into the wrong field.
pub(crate) fn fingerprint(name: &str) -> String {
    let mut context = Context::new(&SHA256);
    context.update(b"nebula-auth name 1\0");
    context.update(name.as_bytes());
    let digest = context.finish();
    URL_SAFE_NO_PAD.encode(digest.as_ref().get(..12).unwrap_or_default())
}
