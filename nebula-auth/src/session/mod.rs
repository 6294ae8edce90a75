//! Sessions: families of refresh tokens, rotated at every use.

mod check;
mod memory;
mod options;
mod pair;
mod refresh;
mod refusal;
mod seal;
mod service;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod sql;
mod step_up;
mod store;

#[cfg(feature = "sqlite")]
pub use self::sql::SqliteRefreshStore;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub use self::sql::{SqlRefreshStore, migrate};
pub use self::{
    check::StoreSessionCheck,
    memory::MemoryRefreshStore,
    options::{DeviceFingerprint, NewSession, RefreshOptions, SubjectDirectory, SubjectState},
    pair::TokenPair,
    refusal::RefreshRefusal,
    service::{Refreshed, SessionService},
    step_up::{StepUpRefusal, SteppedUp},
    store::{Reauthentication, RefreshStore, Revocation, RevokeReason, Rotation, RotationOutcome, Session, TokenHash},
};
