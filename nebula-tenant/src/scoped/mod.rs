//! What else tenants share: locks, caches, queues, limits, buckets. Nothing here can be named without a tenant.
//!
//! Names are the tenant's name and the rest, each with its length before it, so that no two tenants and no two keys ever
//! have the same one: `4:star` and then `7:seat:12`.

#[cfg(feature = "cache")]
mod cache;
#[cfg(feature = "rate-limit")]
mod limits;
#[cfg(feature = "lock")]
mod locks;

#[cfg(feature = "cache")]
#[cfg_attr(docsrs, doc(cfg(feature = "cache")))]
pub use self::cache::{TenantCache, TenantKey};
#[cfg(feature = "rate-limit")]
#[cfg_attr(docsrs, doc(cfg(feature = "rate-limit")))]
pub use self::limits::TenantLimiter;
#[cfg(feature = "lock")]
#[cfg_attr(docsrs, doc(cfg(feature = "lock")))]
pub use self::locks::TenantLocks;

use std::fmt::Write as _;

use crate::context::current;
use crate::error::{Error, ErrorKind};
use crate::id::TenantId;

/// The name of something of the tenant whose work it is: in a search index, a session store, a topic.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use nebula_tenant::{TenantContext, scoped::key};
///
/// assert!(key(["seat", "12"]).is_err(), "nobody said whose");
/// let name = TenantContext::of("star".parse().unwrap()).scope(async { key(["seat", "12"]) }).await??;
/// assert_eq!(name, "4:star4:seat2:12");
/// # Ok::<_, nebula_tenant::Error>(())
/// # }).unwrap();
/// ```
///
/// # Errors
/// [`ErrorKind::NoTenant`] if nobody said whose work it is.
pub fn key<'a>(parts: impl IntoIterator<Item = &'a str>) -> Result<String, Error> {
    Ok(joined(&current()?, parts))
}

pub(crate) fn joined<'a>(tenant: &TenantId, parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut key = String::new();
    // Writing to a text does not fail.
    let mut add = |part: &str| write!(key, "{}:{part}", part.len()).unwrap_or_default();
    add(tenant.as_str());
    parts.into_iter().for_each(&mut add);
    key
}

/// The key of an object in a bucket that tenants share: `star/posters/1.png`. A tenant's objects are those that begin with
/// its name and a slash, which no tenant's name has.
///
/// # Errors
/// [`ErrorKind::NoTenant`] if nobody said whose work it is, [`ErrorKind::Config`] for a path that is empty, has empty parts,
/// `.` or `..`, a backslash or control characters: some store would read it as another one.
pub fn object_key(path: &str) -> Result<String, Error> {
    let tenant = current()?;
    let part = |part: &str| {
        !matches!(part, "" | "." | "..") && !part.contains(|letter: char| letter.is_control() || letter == '\\')
    };
    if !path.split('/').all(part) {
        return Err(Error::new(ErrorKind::Config, "the path of an object is of plain parts between single slashes"));
    }
    Ok(format!("{tenant}/{path}"))
}
