//! The signature `ACS3-HMAC-SHA256`, as Aliyun's page on request signatures (V3) describes it.

use std::fmt::Write as _;

use crate::digest::{hmac_sha256, sha256_hex};

/// Everything that is signed, and the steps in between.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signed {
    /// The request in its one form.
    pub canonical_request: String,
    /// What the signature is made from.
    pub string_to_sign: String,
    /// The header `Authorization`.
    pub authorization: String,
}

/// Letters, digits and `-._~` as they are, everything else as `%XX` of its UTF-8 (RFC 3986).
#[must_use]
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// `name=value`, encoded, in the order of names, joined by `&`.
#[must_use]
pub fn canonical_query(pairs: &[(&str, &str)]) -> String {
    let mut sorted = pairs.to_vec();
    sorted.sort_unstable();
    let encoded: Vec<String> =
        sorted.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    encoded.join("&")
}

/// Signs a request. `headers` are all that are to be signed, `query` is canonical.
#[must_use]
pub fn sign(
    id: &str,
    secret: &str,
    method: &str,
    path: &str,
    query: &str,
    headers: &[(&str, &str)],
    body_sha256: &str,
) -> Signed {
    let mut headers: Vec<(String, &str)> =
        headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.trim())).collect();
    headers.sort_unstable();
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let canonical_request = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{body_sha256}");
    let string_to_sign = format!("ACS3-HMAC-SHA256\n{}", sha256_hex(canonical_request.as_bytes()));
    let signature = crate::random::hex(&hmac_sha256(secret.as_bytes(), string_to_sign.as_bytes()));
    let authorization = format!("ACS3-HMAC-SHA256 Credential={id},SignedHeaders={names},Signature={signature}");
    Signed { canonical_request, string_to_sign, authorization }
}
