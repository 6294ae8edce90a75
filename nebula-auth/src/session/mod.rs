//! Sessions: families of refresh tokens, rotated at every use.

mod check;
mod memory;
mod options;
mod pair;
mod refresh;
mod refusal;
mod seal;
mod service;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;

#[cfg(feature = "sqlite")]
pub use self::sqlite::{SqliteRefreshStore, migrate};
pub use self::{
    check::StoreSessionCheck,
    memory::MemoryRefreshStore,
    options::{DeviceFingerprint, NewSession, RefreshOptions, SubjectDirectory, SubjectState},
    pair::TokenPair,
    refusal::RefreshRefusal,
    service::{Refreshed, SessionService},
    store::{RefreshStore, Revocation, RevokeReason, Rotation, RotationOutcome, Session, TokenHash},
};
