//! The ID token, read strictly (OpenID Connect Core 1.0, 3.1.3.7).

use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use super::{ExternalIdentity, OidcRefusal};
use crate::{
    clock::unix_seconds,
    key::KeySet,
    token::{TokenRefusal, TokenType, open_signed, parse_object},
};

const LEEWAY: u64 = 30;
/// An ID token tells of a login that was just now; longer lives make no difference, older ones do.
const MAX_AGE: u64 = 600;
const MAX_TEXT: usize = 512;

pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    pub(super) now: std::time::SystemTime,
}

pub(super) fn verify(token: &str, keys: &KeySet, expected: &Expected<'_>) -> Result<ExternalIdentity, OidcRefusal> {
    let payload = open_signed(token, TokenType::Id, &KeySet::empty(), Some(keys))?;
    let claims = parse_object(&payload).ok_or(TokenRefusal::MalformedClaims)?;
    let text = |name: &'static str| match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if text.len() <= MAX_TEXT && !text.chars().any(char::is_control) => {
            Ok(Some(text.as_str()))
        }
        Some(_) => Err(TokenRefusal::MalformedClaims),
    };
    let required = |name: &'static str| text(name)?.ok_or(TokenRefusal::MissingClaim(name));
    if required("iss")? != expected.issuer {
        return Err(TokenRefusal::WrongIssuer.into());
    }
    audience(&claims, expected.client_id)?;
    times(&claims, unix_seconds(expected.now))?;
    let nonce = text("nonce")?.ok_or(OidcRefusal::NonceMismatch)?;
    if !bool::from(nonce.as_bytes().ct_eq(expected.nonce.as_bytes())) {
        return Err(OidcRefusal::NonceMismatch);
    }
    let subject = required("sub")?;
    if subject.is_empty() || subject.len() > 255 {
        return Err(TokenRefusal::MalformedClaims.into());
    }
    Ok(ExternalIdentity {
        issuer: expected.issuer.to_owned(),
        subject: subject.to_owned(),
        email: text("email")?.map(str::to_owned),
        // A text is not a truth.
        email_verified: claims.get("email_verified") == Some(&Value::Bool(true)),
        name: text("name")?.map(str::to_owned),
        return_to: None,
        link_to: None,
    })
}

fn audience(claims: &Map<String, Value>, client_id: &str) -> Result<(), TokenRefusal> {
    let ours = |value: &Value| value.as_str() == Some(client_id);
    let (named, several) = match claims.get("aud").ok_or(TokenRefusal::MissingClaim("aud"))? {
        one @ Value::String(_) => (ours(one), false),
        Value::Array(many) => (many.iter().any(ours), many.len() > 1),
        _ => return Err(TokenRefusal::MalformedClaims),
    };
    // Of a token for several the one that asked for it is named.
    let party = match claims.get("azp") {
        None => !several,
        Some(party) => ours(party),
    };
    if named && party { Ok(()) } else { Err(TokenRefusal::WrongAudience) }
}

fn times(claims: &Map<String, Value>, now: u64) -> Result<(), TokenRefusal> {
    let number = |name: &'static str| match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or(TokenRefusal::MalformedClaims),
    };
    let (exp, iat) = (
        number("exp")?.ok_or(TokenRefusal::MissingClaim("exp"))?,
        number("iat")?.ok_or(TokenRefusal::MissingClaim("iat"))?,
    );
    if now >= exp.saturating_add(LEEWAY) || now > iat.saturating_add(MAX_AGE) {
        return Err(TokenRefusal::Expired);
    }
    if iat.max(number("nbf")?.unwrap_or(0)) > now.saturating_add(LEEWAY) {
        return Err(TokenRefusal::NotYetValid);
    }
    Ok(())
}
