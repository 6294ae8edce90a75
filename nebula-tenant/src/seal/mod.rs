//! Values that only their tenant's key opens, at the place that they were sealed for.
//!
//! Each tenant has data keys of its own, which a [`MasterKey`] wraps. A [`TenantCipher`] seals with AES-256-GCM (NIST SP
//! 800-38D) under a key for one column, derived with HKDF-SHA256 (RFC 5869); tenant, table, column and row are authenticated
//! with it, so that a value that was moved does not open. Equal values can be found by a blind index, an HMAC. A tenant whose keys are erased
//! is gone, backups included.

mod cipher;
mod encrypted;
mod key;
mod master;
mod place;
mod rotation;
mod sealed;
#[cfg(feature = "sql")]
mod sql;
mod store;

pub use self::{
    cipher::TenantCipher,
    encrypted::Encrypted,
    master::{LocalMasterKey, MasterKey},
    place::Place,
    rotation::{Resealed, SealedRow, SealedRows},
    sealed::Sealed,
    store::{KeyStore, MemoryKeyStore, WrappedKey},
};

#[cfg(feature = "sql")]
#[cfg_attr(docsrs, doc(cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))))]
pub use self::sql::SqlKeyStore;
