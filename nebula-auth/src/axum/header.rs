//! Finds the bearer token of a request (RFC 6750, 2).

use axum::http::{HeaderMap, Uri, header::AUTHORIZATION};

use super::rejection::AuthRefusal;

/// The token, nothing if the request carries no credentials, or why what it carries is not acceptable.
pub(super) fn bearer<'a>(headers: &'a HeaderMap, uri: &Uri) -> Result<Option<&'a str>, AuthRefusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    // Two credentials mean that somebody on the way disagrees about which one counts.
    if values.next().is_some() || has_query_token(uri) {
        return Err(AuthRefusal::Ambiguous);
    }
    let value = value.to_str().map_err(|_| AuthRefusal::MalformedCredentials)?;
    let (scheme, token) = value.split_once(' ').ok_or(AuthRefusal::MalformedCredentials)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(AuthRefusal::OtherScheme);
    }
    // RFC 7235 allows several spaces between scheme and token; the token itself has none.
    let token = token.trim_start_matches(' ');
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=');
    if token.is_empty() || !token.bytes().all(plain) {
        return Err(AuthRefusal::MalformedCredentials);
    }
    Ok(Some(token))
}

/// Tokens in a query end up in logs and histories. They are never read; beside a header they make the request
/// ambiguous.
fn has_query_token(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| query.split('&').any(|pair| pair.split('=').next() == Some("access_token")))
}
