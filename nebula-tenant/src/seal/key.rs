//! A data key, and the keys that are derived from it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
use secrecy::{ExposeSecret as _, SecretSlice};

use super::Place;
use super::place::joined;
use crate::error::{Error, ErrorKind};

/// The keys for one column.
#[derive(Debug)]
pub(super) struct ColumnKeys {
    pub(super) seals: LessSafeKey,
    pub(super) indexes: hmac::Key,
}

/// One version of a tenant's key.
#[derive(Debug)]
pub(super) struct DataKey {
    pub(super) version: u32,
    root: hkdf::Prk,
    /// By table and column. There are as many as the application has sealed columns.
    columns: RwLock<HashMap<Vec<u8>, Arc<ColumnKeys>>>,
}

impl DataKey {
    pub(super) fn new(version: u32, key: &SecretSlice<u8>) -> Self {
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, b"nebula-tenant/seal/1").extract(key.expose_secret());
        Self { version, root, columns: RwLock::default() }
    }

    pub(super) fn of_column(&self, place: &Place<'_>) -> Result<Arc<ColumnKeys>, Error> {
        let name = joined(&[place.table().as_bytes(), place.column_name().as_bytes()]);
        if let Some(known) = self.columns.read().unwrap_or_else(PoisonError::into_inner).get(&name) {
            return Ok(Arc::clone(known));
        }
        let unspecified = |_| Error::new(ErrorKind::Config, "a key could not be derived");
        let seals = UnboundKey::from(self.root.expand(&[b"seal", &name], &AES_256_GCM).map_err(unspecified)?);
        let indexes = hmac::Key::from(self.root.expand(&[b"index", &name], hmac::HMAC_SHA256).map_err(unspecified)?);
        let keys = Arc::new(ColumnKeys { seals: LessSafeKey::new(seals), indexes });
        let mut columns = self.columns.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(columns.entry(name).or_insert(keys)))
    }
}
