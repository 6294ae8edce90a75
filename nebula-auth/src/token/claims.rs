//! The claims, typed.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde_json::{Map, Value};

use super::{json, refusal::TokenRefusal};
use crate::clock::unix_seconds;

/// Subjects, session ids and token ids longer than this are nobody's.
const MAX_ID_BYTES: usize = 256;
const MAX_SCOPES: usize = 64;

/// What both kinds of token say. Times are whole seconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    #[serde(skip)]
    pub(crate) audiences: Vec<String>,
    pub(crate) aud: String,
    pub(crate) sub: String,
    pub(crate) iat: u64,
    pub(crate) nbf: u64,
    pub(crate) exp: u64,
    pub(crate) jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sid: Option<String>,
    /// Permission version: lets a verifier notice that what it cached about the subject is outdated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pv: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) auth_time: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) amr: Vec<String>,
}

/// What the reader of a token expects.
#[derive(Debug, Clone)]
pub(crate) struct Expectation<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) audience: &'a str,
    pub(crate) now: SystemTime,
    pub(crate) leeway: Duration,
    pub(crate) max_lifetime: Duration,
}

impl Claims {
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, TokenRefusal> {
        let mut claims = json::parse_object(payload).ok_or(TokenRefusal::MalformedClaims)?;
        let audiences = match claims.remove("aud").ok_or(TokenRefusal::MissingClaim("aud"))? {
            Value::String(one) => vec![one],
            Value::Array(many) => texts(many)?,
            _ => return Err(TokenRefusal::MalformedClaims),
        };
        let amr = match claims.remove("amr") {
            None => Vec::new(),
            Some(Value::Array(many)) => texts(many)?,
            Some(_) => return Err(TokenRefusal::MalformedClaims),
        };
        if !amr.iter().all(|method| scope_token(method)) {
            return Err(TokenRefusal::MalformedClaims);
        }
        let scope = optional_text(&mut claims, "scope")?;
        if scope.as_deref().is_some_and(|scope| !scopes_text(scope)) {
            return Err(TokenRefusal::MalformedClaims);
        }
        Ok(Self {
            iss: required(optional_text(&mut claims, "iss")?, "iss")?,
            aud: String::new(),
            audiences,
            sub: required(optional_id(&mut claims, "sub")?, "sub")?,
            iat: required(optional_number(&mut claims, "iat")?, "iat")?,
            nbf: required(optional_number(&mut claims, "nbf")?, "nbf")?,
            exp: required(optional_number(&mut claims, "exp")?, "exp")?,
            jti: required(optional_id(&mut claims, "jti")?, "jti")?,
            sid: optional_id(&mut claims, "sid")?,
            pv: optional_number(&mut claims, "pv")?,
            scope,
            auth_time: optional_number(&mut claims, "auth_time")?,
            amr,
        })
    }

    /// Who, for whom and when (RFC 8725, 3.8 to 3.10). All arithmetic saturates, so that a huge `exp` is merely too
    /// long.
    pub(crate) fn check(&self, expect: &Expectation<'_>) -> Result<(), TokenRefusal> {
        if self.iss != expect.issuer {
            return Err(TokenRefusal::WrongIssuer);
        }
        if !self.audiences.iter().any(|audience| audience == expect.audience) {
            return Err(TokenRefusal::WrongAudience);
        }
        let (now, leeway) = (unix_seconds(expect.now), expect.leeway.as_secs());
        if now >= self.exp.saturating_add(leeway) {
            return Err(TokenRefusal::Expired);
        }
        if self.iat.max(self.nbf) > now.saturating_add(leeway) {
            return Err(TokenRefusal::NotYetValid);
        }
        if self.exp.saturating_sub(self.iat) > expect.max_lifetime.as_secs() {
            return Err(TokenRefusal::LifetimeTooLong);
        }
        Ok(())
    }

    pub(crate) fn scopes(&self) -> Vec<String> {
        self.scope.iter().flat_map(|scope| scope.split(' ')).map(str::to_owned).collect()
    }
}

/// RFC 6749, 3.3: printable ASCII without quote and backslash, single spaces between.
pub(crate) fn scopes_text(scopes: &str) -> bool {
    scopes.split(' ').count() <= MAX_SCOPES && scopes.split(' ').all(scope_token)
}

pub(crate) fn scope_token(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
}

/// Identifiers end up in logs, keys and queries; control characters have no business there.
pub(crate) fn id_text(id: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len()) && !id.chars().any(char::is_control)
}

fn required<T>(value: Option<T>, name: &'static str) -> Result<T, TokenRefusal> {
    value.ok_or(TokenRefusal::MissingClaim(name))
}

fn optional_text(claims: &mut Map<String, Value>, name: &str) -> Result<Option<String>, TokenRefusal> {
    match claims.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(TokenRefusal::MalformedClaims),
    }
}

fn optional_id(claims: &mut Map<String, Value>, name: &str) -> Result<Option<String>, TokenRefusal> {
    match optional_text(claims, name)? {
        Some(id) if !id_text(&id) => Err(TokenRefusal::MalformedClaims),
        other => Ok(other),
    }
}

fn optional_number(claims: &mut Map<String, Value>, name: &str) -> Result<Option<u64>, TokenRefusal> {
    match claims.remove(name) {
        None => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or(TokenRefusal::MalformedClaims),
    }
}

fn texts(values: Vec<Value>) -> Result<Vec<String>, TokenRefusal> {
    values
        .into_iter()
        .map(|value| match value {
            Value::String(text) => Ok(text),
            _ => Err(TokenRefusal::MalformedClaims),
        })
        .collect()
}
