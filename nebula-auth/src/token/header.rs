//! The JOSE header, read strictly.

use serde_json::{Map, Value};

use super::{json, refusal::TokenRefusal};
use crate::key::{Algorithm, SigningKey};

/// The kinds of token this crate issues. Explicit types keep one from being used as the other (RFC 8725, 3.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenType {
    /// RFC 9068.
    Access,
    /// Never accepted by the verifier of access tokens.
    Refresh,
    /// What an OpenID provider says about a login; its type is optional there.
    #[cfg_attr(not(feature = "oidc"), allow(dead_code, reason = "read by the feature `oidc` only"))]
    Id,
}

impl TokenType {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Refresh => "rt+jwt",
            Self::Id => "JWT",
        }
    }

    /// Media types compare without case, and `application/` may be left out (RFC 7515, 4.1.9).
    fn is(self, typ: &str) -> bool {
        let bare = match typ.split_at_checked("application/".len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") => rest,
            _ => typ,
        };
        bare.eq_ignore_ascii_case(self.as_str())
    }
}

pub(crate) struct Header {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<String>,
}

impl Header {
    /// Everything a header may try is decided here. `jwk`, `jku`, `x5u` and `x5c` are ignored: a key never arrives
    /// with the token that it is to verify.
    pub(crate) fn parse(text: &[u8], expected: TokenType) -> Result<Self, TokenRefusal> {
        let mut header = json::parse_object(text).ok_or(TokenRefusal::MalformedHeader)?;
        let algorithm = take_text(&mut header, "alg")?.ok_or(TokenRefusal::MalformedHeader)?;
        let algorithm = Algorithm::from_header(&algorithm).ok_or(TokenRefusal::AlgorithmNotAllowed)?;
        // No extension is understood, so any demand for one is refused (RFC 7515, 4.1.11); an unencoded payload
        // (RFC 7797) is refused even where the demand was forgotten.
        if header.contains_key("crit") || header.contains_key("b64") {
            return Err(TokenRefusal::CriticalHeader);
        }
        let kid = take_text(&mut header, "kid")?;
        match take_text(&mut header, "typ")? {
            Some(typ) if expected.is(&typ) => Ok(Self { algorithm, kid }),
            None if expected == TokenType::Id => Ok(Self { algorithm, kid }),
            _ => Err(TokenRefusal::WrongTokenType),
        }
    }

    pub(crate) fn write(key: &SigningKey, typ: TokenType) -> String {
        // Key ids are checked to be printable ASCII without quotes and backslashes.
        format!(r#"{{"alg":"{}","typ":"{}","kid":"{}"}}"#, key.algorithm(), typ.as_str(), key.kid())
    }
}

fn take_text(header: &mut Map<String, Value>, name: &str) -> Result<Option<String>, TokenRefusal> {
    match header.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(TokenRefusal::MalformedHeader),
    }
}
