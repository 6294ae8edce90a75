#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
pub mod access;
#[cfg(feature = "admin")]
#[cfg_attr(docsrs, doc(cfg(feature = "admin")))]
pub mod admin;
pub mod audit;
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub mod axum;
mod clock;
#[cfg(doctest)]
mod compile_fail;
mod config;
pub mod data;
mod duration;
mod error;
mod key;
pub mod mfa;
pub mod oidc;
mod password;
pub mod proof;
mod provider;
mod random;
pub mod rbac;
pub mod remote;
mod session;
mod telemetry;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
pub mod throttle;
mod token;

#[cfg(feature = "macros")]
#[cfg_attr(docsrs, doc(cfg(feature = "macros")))]
pub use nebula_macros::{requires_mfa, requires_permission, requires_role};
pub use secrecy;

#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub use crate::session::SqliteRefreshStore;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))))]
pub use crate::session::{SqlRefreshStore, migrate};
pub use crate::{
    clock::{Clock, ManualClock, SystemClock, TokioClock},
    config::{
        Auth, AuthConfig, CodeConfig, JwtConfig, MfaConfig, PasswordConfig, PublicKeyConfig, RbacConfig, SessionConfig,
        SessionStoreKind, ThrottleConfig,
    },
    error::{Error, ErrorKind},
    key::{Algorithm, KeySet, SigningKey, VerifyingKey},
    password::{
        Argon2Params, BreachList, DenyList, Hashed, PasswordHash, PasswordHasher, PasswordPolicy, PasswordRefusal,
        Verified,
    },
    provider::{
        AuthenticatedSubject, Authentication, AuthenticationProvider, AuthenticationRefusal, Credentials,
        PasswordAccount, PasswordAccounts, PasswordProvider, SecondFactorChallenge,
    },
    session::{
        DeviceFingerprint, MemoryRefreshStore, NewSession, Reauthentication, RefreshOptions, RefreshRefusal,
        RefreshStore, Refreshed, Revocation, RevokeReason, Rotation, RotationOutcome, Session, SessionService,
        StepUpRefusal, SteppedUp, StoreSessionCheck, SubjectDirectory, SubjectState, TokenHash, TokenPair,
    },
    token::{
        AccessGrant, AuthMethod, IssuedToken, Principal, RevokedTokens, SessionCheck, SessionStatus, TokenRefusal,
        TokenService, Verdict,
    },
};
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
pub use sqlx;
