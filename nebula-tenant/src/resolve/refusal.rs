//! Why a request belongs to nobody.

use http::StatusCode;

/// Why a request is not served in any tenant's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveRefusal {
    /// Nothing in it names a tenant.
    #[error("nothing in the request names a tenant")]
    Missing,
    /// Something in it cannot name a tenant.
    #[error("a part of the request cannot name a tenant")]
    Malformed,
    /// Parts of it name different tenants.
    #[error("parts of the request name different tenants")]
    Conflict,
    /// There is no such tenant.
    #[error("there is no such tenant")]
    Unknown,
    /// The tenant is not ready yet.
    #[error("the tenant is not ready yet")]
    Preparing,
    /// The tenant is suspended.
    #[error("the tenant is suspended")]
    Suspended,
    /// The tenant is archived.
    #[error("the tenant is archived")]
    Archived,
    /// Nobody could say now.
    #[error("it cannot be said now whose the request is")]
    Unavailable,
}

impl ResolveRefusal {
    /// A stable name for programs, logs and metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "tenant-missing",
            Self::Malformed => "tenant-malformed",
            Self::Conflict => "tenant-conflict",
            Self::Unknown => "tenant-unknown",
            Self::Preparing => "tenant-preparing",
            Self::Suspended => "tenant-suspended",
            Self::Archived => "tenant-archived",
            Self::Unavailable => "tenant-unavailable",
        }
    }

    /// The status that answers it.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Missing | Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Conflict | Self::Suspended => StatusCode::FORBIDDEN,
            Self::Unknown => StatusCode::NOT_FOUND,
            Self::Archived => StatusCode::GONE,
            Self::Preparing | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The body that answers it: problem details (RFC 9457).
    #[must_use]
    pub fn problem(self) -> String {
        format!(
            r#"{{"type":"about:blank","title":"{self}","status":{},"code":"{}"}}"#,
            self.status().as_u16(),
            self.code()
        )
    }
}
