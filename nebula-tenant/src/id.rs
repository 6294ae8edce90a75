//! The name of a tenant.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// The longest name of a tenant, in bytes: a label of a domain name (RFC 1035, 2.3.4).
pub const MAX_TENANT_BYTES: usize = 63;

/// The name of a tenant: 1 to 63 of `a-z`, `0-9` and `-`, not beginning or ending with `-`.
///
/// That is a label of a domain name, so it can be a subdomain, a part of a path, a schema and a part of any key, without
/// escaping and without two names meaning one tenant. Cheap to clone.
///
/// ```
/// use nebula_tenant::TenantId;
///
/// let tenant: TenantId = "star-cinema".parse()?;
/// assert_eq!(tenant.as_str(), "star-cinema");
/// assert!("Star Cinema".parse::<TenantId>().is_err());
/// # Ok::<_, nebula_tenant::InvalidTenantId>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(Arc<str>);

/// A text that cannot name a tenant. The text is not repeated: it may come from anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a tenant is named by 1 to 63 of a-z, 0-9 and -, not beginning or ending with -")]
pub struct InvalidTenantId;

impl TenantId {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TenantId {
    type Err = InvalidTenantId;

    fn from_str(text: &str) -> Result<Self, InvalidTenantId> {
        let plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !plain || text.is_empty() || text.len() > MAX_TENANT_BYTES || text.starts_with('-') || text.ends_with('-') {
            return Err(InvalidTenantId);
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for TenantId {
    type Error = InvalidTenantId;

    fn try_from(text: String) -> Result<Self, InvalidTenantId> {
        text.parse()
    }
}

impl From<TenantId> for String {
    fn from(tenant: TenantId) -> Self {
        tenant.as_str().to_owned()
    }
}

impl AsRef<str> for TenantId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantId({})", self.as_str())
    }
}
