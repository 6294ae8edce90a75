//! What wraps the tenants' keys.

use std::{collections::HashMap, fmt};

use async_trait::async_trait;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use secrecy::{ExposeSecret as _, SecretSlice};

use super::place::joined;
use super::sealed::{NONCE, TAG};
use crate::error::{Error, ErrorKind};
use crate::id::TenantId;

/// The length of every key.
pub(super) const KEY: usize = 32;

/// Wraps data keys, for example by a key management service.
///
/// # Contract
/// - Only what was wrapped for a tenant is unwrapped for it: the tenant is authenticated with the key.
/// - [`id`](Self::id) names the key that wraps now. What older ones wrapped is unwrapped for as long as it is kept.
/// - Nothing is changed by a call, so its future can be dropped.
#[async_trait]
pub trait MasterKey: Send + Sync + fmt::Debug + 'static {
    /// The name of the key that wraps now. It is kept beside what was wrapped, and is no secret.
    fn id(&self) -> &str;

    /// Wraps a data key.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if nobody can do it now.
    async fn wrap(&self, tenant: &TenantId, key: &SecretSlice<u8>) -> Result<Vec<u8>, Error>;

    /// Undoes it; `id` wrapped.
    ///
    /// # Errors
    /// [`ErrorKind::NoKey`] if that key is not here, [`ErrorKind::Altered`] if it was not wrapped by it for this tenant,
    /// [`ErrorKind::Unavailable`] if nobody can say now.
    async fn unwrap(&self, id: &str, tenant: &TenantId, wrapped: &[u8]) -> Result<SecretSlice<u8>, Error>;
}

/// Master keys in the memory of this process, read from a file or from the environment: AES-256-GCM.
///
/// ```
/// use nebula_tenant::seal::LocalMasterKey;
///
/// let next = LocalMasterKey::new("2027", &vec![7; 32].into())?.with_former("2026", &vec![6; 32].into())?;
/// assert!(LocalMasterKey::new("short", &vec![1; 16].into()).is_err());
/// # Ok::<_, nebula_tenant::Error>(())
/// ```
pub struct LocalMasterKey {
    id: String,
    keys: HashMap<String, LessSafeKey>,
}

impl LocalMasterKey {
    /// This key wraps: 32 random bytes, such as `openssl rand 32` makes.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if it has another length, or all of its bytes are equal and zero.
    pub fn new(id: impl Into<String>, key: &SecretSlice<u8>) -> Result<Self, Error> {
        let id = id.into();
        let keys = HashMap::from([(id.clone(), aead(key)?)]);
        Ok(Self { id, keys })
    }

    /// Also unwraps what this one wrapped before.
    ///
    /// # Errors
    /// As those of [`new`](Self::new), and if there are two of that name.
    pub fn with_former(mut self, id: impl Into<String>, key: &SecretSlice<u8>) -> Result<Self, Error> {
        match self.keys.insert(id.into(), aead(key)?) {
            None => Ok(self),
            Some(_) => Err(Error::new(ErrorKind::Config, "two master keys have one name")),
        }
    }
}

fn aead(key: &SecretSlice<u8>) -> Result<LessSafeKey, Error> {
    let bytes = key.expose_secret();
    if bytes.len() != KEY || bytes.iter().all(|byte| *byte == 0) {
        return Err(Error::new(ErrorKind::Config, "a master key is 32 random bytes: `openssl rand 32` makes some"));
    }
    let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| Error::new(ErrorKind::Config, "the key is refused"))?;
    Ok(LessSafeKey::new(key))
}

fn bound_to(id: &str, tenant: &TenantId) -> Aad<Vec<u8>> {
    Aad::from(joined(&[b"nebula-tenant/data-key", id.as_bytes(), tenant.as_str().as_bytes()]))
}

#[async_trait]
impl MasterKey for LocalMasterKey {
    fn id(&self) -> &str {
        &self.id
    }

    async fn wrap(&self, tenant: &TenantId, key: &SecretSlice<u8>) -> Result<Vec<u8>, Error> {
        let master = self.keys.get(&self.id).ok_or_else(|| Error::new(ErrorKind::NoKey, "there is no master key"))?;
        let nonce = random::<NONCE>()?;
        let mut text = key.expose_secret().to_vec();
        let sealed =
            master.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound_to(&self.id, tenant), &mut text);
        sealed.map_err(|_| Error::new(ErrorKind::Unavailable, "a data key could not be wrapped"))?;
        Ok([&nonce[..], &text].concat())
    }

    async fn unwrap(&self, id: &str, tenant: &TenantId, wrapped: &[u8]) -> Result<SecretSlice<u8>, Error> {
        let missing = || Error::new(ErrorKind::NoKey, format!("there is no master key `{id}`"));
        let master = self.keys.get(id).ok_or_else(missing)?;
        let altered = || Error::new(ErrorKind::Altered, format!("`{id}` did not wrap this key for this tenant"));
        let (nonce, text) = wrapped.split_first_chunk::<NONCE>().ok_or_else(altered)?;
        let mut text = text.to_vec();
        let opened = master.open_in_place(Nonce::assume_unique_for_key(*nonce), bound_to(id, tenant), &mut text);
        if opened.map_err(|_| altered())?.len() != KEY {
            return Err(altered());
        }
        text.truncate(text.len() - TAG);
        Ok(text.into())
    }
}

impl fmt::Debug for LocalMasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalMasterKey").field("id", &self.id).field("keys", &self.keys.len()).finish()
    }
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    let filled = aws_lc_rs::rand::fill(&mut bytes);
    filled.map_err(|_| Error::new(ErrorKind::Unavailable, "the random number generator failed"))?;
    Ok(bytes)
}
