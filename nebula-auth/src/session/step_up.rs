//! Proving oneself once more, in the middle of a session.

use std::fmt;

use super::{Reauthentication, RefreshOptions, SessionService};
use crate::{
    error::Error,
    mfa::FactorProof,
    telemetry,
    token::{AuthMethod, IssuedToken, Principal},
};

/// What became of a step-up.
#[derive(Debug, Clone)]
pub enum SteppedUp {
    /// An access token that says so; the refresh token of the session stays what it is.
    Renewed(Box<IssuedToken>),
    /// The proof is not one for this session.
    Refused(StepUpRefusal),
}

impl SteppedUp {
    /// The new access token.
    ///
    /// # Errors
    /// The reason, if the step-up was refused.
    pub fn into_result(self) -> Result<IssuedToken, StepUpRefusal> {
        match self {
            Self::Renewed(token) => Ok(*token),
            Self::Refused(refusal) => Err(refusal),
        }
    }
}

/// Why a proof does not raise a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StepUpRefusal {
    /// The session was ended or is over, or the token belongs to none.
    SessionRevoked,
    /// The proof is somebody else's.
    OtherSubject,
    /// What the session was begun with, shown again, is no second factor.
    SameFactor,
}

impl StepUpRefusal {
    /// A stable machine-readable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::SessionRevoked => "session_revoked",
            Self::OtherSubject => "other_subject",
            Self::SameFactor => "same_factor",
        }
    }
}

impl fmt::Display for StepUpRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SessionRevoked => "the session has been ended; log in again",
            Self::OtherSubject => "the proof is that of somebody else",
            Self::SameFactor => "the session was begun with this factor; another one is needed",
        })
    }
}

impl std::error::Error for StepUpRefusal {}

/// Factors of one kind do not add up.
#[derive(PartialEq, Eq)]
enum Kind {
    /// Something one knows, here or at another provider.
    Knowledge,
    /// Something one has.
    Possession,
}

fn kind(method: &AuthMethod) -> Kind {
    match method {
        AuthMethod::Password | AuthMethod::Federated => Kind::Knowledge,
        _ => Kind::Possession,
    }
}

impl SessionService {
    /// Adds a proof to the session of `principal`, and issues an access token that says so: with it, what is marked
    /// `#[requires_mfa(within = "5m")]` lets them through for five minutes. Later refreshes say the same.
    ///
    /// The proof has to be of another kind than what the session was begun with: an additional password is no second
    /// factor. A session that has shown more than one factor takes either of them again. `options` narrows the scopes, as for [`refresh`](Self::refresh); the device it names is the session's
    /// device from now on. A token's scopes stay limited to those of `principal`.
    ///
    /// # Errors
    /// If the store cannot answer, or [`InvalidInput`](crate::ErrorKind::InvalidInput) for scopes that the principal
    /// does not have.
    ///
    /// # Cancel safety
    /// The proof may or may not have been added; the next refresh says which.
    pub async fn step_up(
        &self,
        principal: &Principal,
        proof: FactorProof,
        options: RefreshOptions,
    ) -> Result<SteppedUp, Error> {
        let outcome = self.try_step_up(principal, &proof, options).await?;
        let on = format!("session {}", principal.session_id().unwrap_or_default());
        let refusal = outcome.as_ref().err().map(|refusal| refusal.code());
        self.settings.journal.judged(principal.subject(), "session:step-up", on, refusal).await?;
        telemetry::stepped_up(match &outcome {
            Ok(_) => "renewed",
            Err(refusal) => refusal.code(),
        });
        Ok(match outcome {
            Ok(token) => SteppedUp::Renewed(Box::new(token)),
            Err(refusal) => SteppedUp::Refused(refusal),
        })
    }

    async fn try_step_up(
        &self,
        principal: &Principal,
        proof: &FactorProof,
        options: RefreshOptions,
    ) -> Result<Result<IssuedToken, StepUpRefusal>, Error> {
        if proof.subject() != principal.subject() {
            return Ok(Err(StepUpRefusal::OtherSubject));
        }
        let Some(id) = principal.session_id() else { return Ok(Err(StepUpRefusal::SessionRevoked)) };
        let found = self.store.session(id).await?.filter(|session| session.subject == principal.subject());
        let Some(mut session) = found else { return Ok(Err(StepUpRefusal::SessionRevoked)) };
        let scopes = match options.scopes {
            None => principal.scopes().to_vec(),
            Some(wanted) if super::refresh::within(&wanted, principal.scopes()) => wanted,
            Some(_) => {
                return Err(Error::new(
                    crate::ErrorKind::InvalidInput,
                    "a step-up cannot ask for scopes that the token does not have",
                ));
            }
        };
        // Whoever came in with two factors shows either of them again.
        let weak = !session.methods.contains(&AuthMethod::MultiFactor);
        if weak && session.methods.first().is_none_or(|first| kind(first) == kind(proof.method())) {
            return Ok(Err(StepUpRefusal::SameFactor));
        }
        for method in [proof.method(), &AuthMethod::MultiFactor] {
            if !session.methods.contains(method) {
                session.methods.push(method.clone());
            }
        }
        session.authenticated_at = self.tokens.clock().now();
        session.device = options.device.or(session.device);
        let proof =
            Reauthentication { at: session.authenticated_at, methods: session.methods.clone(), device: session.device };
        if !self.store.reauthenticate(id, &proof).await? {
            return Ok(Err(StepUpRefusal::SessionRevoked));
        }
        self.tokens.issue(&self.grant(&session, scopes, principal.permission_version())).map(Ok)
    }
}
