//! Keys that sign tokens and keys that verify them. A key fixes its algorithm; a token never chooses one.

mod jwk;
mod secret;
mod set;
mod signing;
mod verifying;

use std::fmt;

pub(crate) use self::secret::check as check_secret;
pub use self::{set::KeySet, signing::SigningKey, verifying::VerifyingKey};

/// The signature algorithms that tokens may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-256 (RFC 7518, 3.2): one shared secret signs and verifies. Every verifier can also sign, so use
    /// it only where issuer and verifier are the same party.
    HS256,
    /// ECDSA on P-256 with SHA-256 (RFC 7518, 3.4).
    ES256,
    /// Ed25519 (RFC 8037, 3.1). The one to choose when several services verify.
    #[serde(alias = "eddsa", alias = "Ed25519")]
    EdDSA,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518, 3.3), with keys of 2048 bits or more. It verifies only: for the tokens
    /// of other issuers, whose keys arrive as JWK set.
    RS256,
}

impl Algorithm {
    /// The name used in the `alg` header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HS256 => "HS256",
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
            Self::RS256 => "RS256",
        }
    }

    /// Exact match only: `alg` is case-sensitive (RFC 7515, 4.1.1).
    pub(crate) fn from_header(name: &str) -> Option<Self> {
        [Self::HS256, Self::ES256, Self::EdDSA, Self::RS256].into_iter().find(|known| known.as_str() == name)
    }

    pub(crate) const fn library(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::HS256 => jsonwebtoken::Algorithm::HS256,
            Self::ES256 => jsonwebtoken::Algorithm::ES256,
            Self::EdDSA => jsonwebtoken::Algorithm::EdDSA,
            Self::RS256 => jsonwebtoken::Algorithm::RS256,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Key identifiers are short printable ASCII, so that they are safe in headers, logs and file names.
fn check_kid(kid: String) -> Result<String, crate::Error> {
    let fine = (1..=128).contains(&kid.len()) && kid.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
    if fine {
        Ok(kid)
    } else {
        Err(crate::Error::new(
            crate::ErrorKind::InvalidKey,
            "a key id must be 1 to 128 printable ASCII characters without space, quote and backslash",
        ))
    }
}
