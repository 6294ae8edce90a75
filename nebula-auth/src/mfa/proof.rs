//! That somebody has just proven something.

use crate::token::AuthMethod;

/// That somebody has just shown a factor: what is handed out
/// for a right code, and what [`SessionService::step_up`](crate::SessionService::step_up) asks for. It cannot be copied,
/// so one code raises one session.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct FactorProof {
    subject: String,
    method: AuthMethod,
}

impl FactorProof {
    pub(crate) fn new(subject: impl Into<String>, method: AuthMethod) -> Self {
        Self { subject: subject.into(), method }
    }

    /// A factor that the application has checked by itself, for example a security key. The application answers for it.
    pub fn vouched(subject: impl Into<String>, method: AuthMethod) -> Self {
        Self::new(subject, method)
    }

    /// Who has shown it.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// What was shown.
    #[must_use]
    pub const fn method(&self) -> &AuthMethod {
        &self.method
    }
}
