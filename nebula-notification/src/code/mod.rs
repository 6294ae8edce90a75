//! Verification codes: issued, sent, checked once, and never guessed.

mod guard;
mod memory;
#[cfg(feature = "redis")]
mod redis;
mod service;
mod store;

#[cfg(feature = "redis")]
pub use self::redis::RedisCodes;
pub use self::{
    guard::PumpGuard,
    memory::MemoryCodes,
    service::{CodeRequest, Issued, Verdict, VerificationCodes},
    store::{CodeDigest, CodeStore, Guess, NewCode, PutCode},
};
