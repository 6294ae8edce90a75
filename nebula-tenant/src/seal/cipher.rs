//! The handle that seals and opens.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::aead::{Aad, Nonce};
use aws_lc_rs::hmac;
use quick_cache::sync::Cache;
use tokio::time::Instant;

use super::key::DataKey;
use super::master::{KEY, random};
use super::place::joined;
use super::sealed::NONCE;
use super::{KeyStore, MasterKey, Place, Sealed, WrappedKey};
use crate::context::current;
use crate::error::{Error, ErrorKind};
use crate::id::TenantId;

/// How many tenants' keys are kept in memory.
const TENANTS: usize = 10_000;
/// How long they are, until the store is asked again.
const KEPT: Duration = Duration::from_secs(60);

/// A tenant's keys, unwrapped, lowest version first.
struct Ring {
    keys: Vec<DataKey>,
    until: Instant,
}

/// Seals and opens values of the tenant whose work it is. Cheap to clone.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// use nebula_tenant::TenantContext;
/// use nebula_tenant::seal::{LocalMasterKey, MemoryKeyStore, Place, TenantCipher};
///
/// const PHONE: Place<'static> = Place::column("buyers", "phone");
/// let cipher = TenantCipher::new(MemoryKeyStore::new(), LocalMasterKey::new("2026", &vec![7; 32].into())?);
/// let star = TenantContext::of("star".parse()?);
/// let (sealed, index) = star.clone().scope(async {
///     let sealed = cipher.seal(PHONE.row("42"), b"+86 138").await?;
///     Ok::<_, nebula_tenant::Error>((sealed, cipher.index(PHONE, b"+86 138").await?))
/// }).await??;
///
/// star.scope(async {
///     assert_eq!(cipher.open(PHONE.row("42"), &sealed).await?, b"+86 138");
///     assert!(cipher.open(PHONE.row("43"), &sealed).await.is_err(), "it belongs into another row");
///     assert_eq!(cipher.indexes(PHONE, b"+86 138").await?, [index], "what to look for in the index's column");
///     Ok::<_, nebula_tenant::Error>(())
/// }).await??;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TenantCipher {
    shared: Arc<Shared>,
    kept: Duration,
}

struct Shared {
    store: Box<dyn KeyStore>,
    master: Box<dyn MasterKey>,
    rings: Cache<TenantId, Arc<Ring>>,
}

impl TenantCipher {
    /// With keys that lie in `store`, wrapped by `master`.
    #[must_use]
    pub fn new(store: impl KeyStore, master: impl MasterKey) -> Self {
        let (store, master) = (Box::new(store), Box::new(master));
        Self { shared: Arc::new(Shared { store, master, rings: Cache::new(TENANTS) }), kept: KEPT }
    }

    /// How long unwrapped keys are kept in memory; 1 minute unless said. For so long another process goes on opening after keys
    /// were erased, and seals with the former version after a rotation.
    #[must_use]
    pub const fn with_kept(mut self, kept: Duration) -> Self {
        self.kept = kept;
        self
    }

    /// Seals a value for its place. A tenant without a key gets its first one.
    ///
    /// # Errors
    /// [`ErrorKind::NoTenant`] if nobody said whose work it is, [`ErrorKind::NoKey`] if the tenant's keys were erased,
    /// [`ErrorKind::Unavailable`] if they cannot be had now.
    ///
    /// # Cancel safety
    /// At worst a tenant gets its first key.
    pub async fn seal(&self, place: Place<'_>, value: &[u8]) -> Result<Sealed, Error> {
        let tenant = current()?;
        let ring = self.ring(&tenant).await?;
        let key = ring.newest()?;
        let nonce = random::<NONCE>()?;
        let mut text = value.to_vec();
        let bound = bound_to(&tenant, &place, key.version);
        let sealed = key.of_column(&place)?.seals.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            bound,
            &mut text,
        );
        sealed.map_err(|_| Error::new(ErrorKind::Config, "the value is too long to be sealed"))?;
        Ok(Sealed::new(key.version, nonce, &text))
    }

    /// Opens a value at its place.
    ///
    /// # Errors
    /// [`ErrorKind::Altered`] if it was not sealed for this tenant and this place, or was changed since; else as [`seal`](Self::seal).
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn open(&self, place: Place<'_>, sealed: &Sealed) -> Result<Vec<u8>, Error> {
        let tenant = current()?;
        let (version, nonce, text) = sealed.parts()?;
        let altered =
            || Error::new(ErrorKind::Altered, "this was not sealed for this tenant and place, or was changed");
        let ring = self.ring_with(&tenant, version).await?;
        let key = ring.version(version).ok_or_else(altered)?;
        let mut text = text.to_vec();
        let bound = bound_to(&tenant, &place, version);
        let keys = key.of_column(&place)?;
        let opened = keys.seals.open_in_place(Nonce::assume_unique_for_key(nonce), bound, &mut text);
        let length = opened.map_err(|_| altered())?.len();
        text.truncate(length);
        Ok(text)
    }

    /// The value sealed with the newest key, or `None` if it is so already: what a job does with each row after [`rotate`](Self::rotate).
    ///
    /// # Errors
    /// As those of [`open`](Self::open).
    ///
    /// # Cancel safety
    /// It only reads.
    pub async fn reseal(&self, place: Place<'_>, sealed: &Sealed) -> Result<Option<Sealed>, Error> {
        let ring = self.ring(&current()?).await?;
        if ring.newest()?.version <= sealed.version()? {
            return Ok(None);
        }
        let value = self.open(place, sealed).await?;
        self.seal(place, &value).await.map(Some)
    }

    /// A blind index: equal values of one column have equal ones, and nothing else can be told from them. Keep it in a column
    /// beside the sealed one. It says which rows hold the same value; columns with few values should not have one.
    ///
    /// # Errors
    /// As those of [`seal`](Self::seal).
    ///
    /// # Cancel safety
    /// As that of [`seal`](Self::seal).
    pub async fn index(&self, column: Place<'_>, value: &[u8]) -> Result<[u8; 32], Error> {
        let ring = self.ring(&current()?).await?;
        indexed(ring.newest()?, &column, value)
    }

    /// The blind indexes of a value under every key that the tenant has, newest last: after a rotation, rows that were not resealed
    /// yet are found by the older ones.
    ///
    /// # Errors
    /// As those of [`seal`](Self::seal).
    ///
    /// # Cancel safety
    /// As that of [`seal`](Self::seal).
    pub async fn indexes(&self, column: Place<'_>, value: &[u8]) -> Result<Vec<[u8; 32]>, Error> {
        let ring = self.ring(&current()?).await?;
        ring.keys.iter().map(|key| indexed(key, &column, value)).collect()
    }

    /// Gives a tenant a new key, which seals from now on. Older ones go on opening. The new version is returned.
    ///
    /// # Errors
    /// [`ErrorKind::NoKey`] if its keys were erased, [`ErrorKind::Unavailable`] if they cannot be had now.
    ///
    /// # Cancel safety
    /// The key may have been added.
    pub async fn rotate(&self, tenant: &TenantId) -> Result<u32, Error> {
        let known = self.shared.store.load(tenant).await?;
        let version = known.last().map_or(0, |key| key.version).checked_add(1);
        let version = version.ok_or_else(|| Error::new(ErrorKind::Config, "there are too many versions"))?;
        // Somebody else may have been quicker: then there is a new one as well.
        self.add(tenant, version).await?;
        self.shared.rings.remove(tenant);
        Ok(version)
    }

    /// Wraps all keys of a tenant with the master key of now. When all tenants are through, the former one can go.
    ///
    /// # Errors
    /// As those of [`MasterKey`] and [`KeyStore`].
    ///
    /// # Cancel safety
    /// Some keys may have been wrapped anew. Begin again.
    pub async fn rewrap(&self, tenant: &TenantId) -> Result<(), Error> {
        let Shared { store, master, .. } = &*self.shared;
        for key in store.load(tenant).await? {
            if key.master != master.id() {
                let plain = master.unwrap(&key.master, tenant, &key.wrapped).await?;
                let wrapped = master.wrap(tenant, &plain).await?;
                store
                    .rewrap(tenant, WrappedKey { version: key.version, master: master.id().to_owned(), wrapped })
                    .await?;
            }
        }
        Ok(())
    }

    /// Erases a tenant's keys for good. What they sealed opens nowhere any more, in no backup either.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] if that cannot be done now.
    ///
    /// # Cancel safety
    /// They may have been erased.
    pub async fn shred(&self, tenant: &TenantId) -> Result<(), Error> {
        self.shared.store.erase(tenant).await?;
        self.shared.rings.remove(tenant);
        crate::audit::record(&crate::audit::AuditEvent::Shredded { tenant: tenant.clone() });
        Ok(())
    }

    async fn ring(&self, tenant: &TenantId) -> Result<Arc<Ring>, Error> {
        match self.shared.rings.get(tenant) {
            Some(ring) if Instant::now() < ring.until => Ok(ring),
            _ => self.fetch(tenant).await,
        }
    }

    /// A ring in which that version is, if there is such a version: another process may have made it a moment ago.
    async fn ring_with(&self, tenant: &TenantId, version: u32) -> Result<Arc<Ring>, Error> {
        let ring = self.ring(tenant).await?;
        if ring.version(version).is_some() || ring.newest()?.version > version {
            return Ok(ring);
        }
        self.fetch(tenant).await
    }

    async fn fetch(&self, tenant: &TenantId) -> Result<Arc<Ring>, Error> {
        let Shared { store, master, rings } = &*self.shared;
        // What was known must not outlive a store that says that it was erased.
        rings.remove(tenant);
        let mut wrapped = store.load(tenant).await?;
        if wrapped.is_empty() {
            self.add(tenant, 1).await?;
            wrapped = store.load(tenant).await?;
        }
        let mut keys = Vec::with_capacity(wrapped.len());
        for key in &wrapped {
            let plain = master.unwrap(&key.master, tenant, &key.wrapped).await?;
            keys.push(DataKey::new(key.version, &plain));
        }
        let ring = Arc::new(Ring { keys, until: Instant::now() + self.kept });
        rings.insert(tenant.clone(), Arc::clone(&ring));
        Ok(ring)
    }

    async fn add(&self, tenant: &TenantId, version: u32) -> Result<(), Error> {
        let Shared { store, master, .. } = &*self.shared;
        let key = random::<KEY>()?.to_vec().into();
        let wrapped = master.wrap(tenant, &key).await?;
        store.add(tenant, WrappedKey { version, master: master.id().to_owned(), wrapped }).await?;
        Ok(())
    }
}

fn bound_to(tenant: &TenantId, place: &Place<'_>, version: u32) -> Aad<Vec<u8>> {
    let parts = [tenant.as_str(), place.table(), place.column_name(), place.row_key()].map(str::as_bytes);
    Aad::from(joined(&[&parts[..], &[&version.to_be_bytes()[..]]].concat()))
}

fn indexed(key: &DataKey, column: &Place<'_>, value: &[u8]) -> Result<[u8; 32], Error> {
    let tag = hmac::sign(&key.of_column(column)?.indexes, value);
    tag.as_ref().try_into().map_err(|_| Error::new(ErrorKind::Config, "an index has another length"))
}

impl Ring {
    fn newest(&self) -> Result<&DataKey, Error> {
        self.keys.last().ok_or_else(|| Error::new(ErrorKind::NoKey, "the tenant has no key"))
    }

    fn version(&self, version: u32) -> Option<&DataKey> {
        self.keys.iter().find(|key| key.version == version)
    }
}

impl fmt::Debug for TenantCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { store, master, .. } = &*self.shared;
        f.debug_struct("TenantCipher").field("store", store).field("master", master).field("kept", &self.kept).finish()
    }
}
