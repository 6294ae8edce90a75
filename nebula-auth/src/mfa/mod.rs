//! Further factors: time-based codes with recovery codes, one-time codes by message, and the login that asks for them.
//!
//! All of them keep what they need in one [`ProofStore`](crate::proof::ProofStore), count every attempt before they
//! compare, and hand out a [`FactorProof`] for a right code: it completes a login
//! ([`MfaProvider`]) or raises a session ([`SessionService::step_up`](crate::SessionService::step_up)).

mod challenge;
mod check;
mod code;
mod key;
mod message;
mod proof;
mod recovery;
mod sealed;
mod totp;

pub use self::{
    challenge::MfaProvider,
    check::{FactorCheck, FactorRefusal, SecondFactor},
    code::{TotpAlgorithm, TotpParams},
    key::FactorKey,
    message::{CodeMessage, CodeSender, CodeSent, OneTimeCodes},
    proof::FactorProof,
    recovery::RecoveryCodes,
    totp::{Enrolment, EnrolmentRefusal, Totp},
};
