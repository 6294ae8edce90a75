//! The signature `TC3-HMAC-SHA256`, as Tencent Cloud's page on signature v3 describes it.

use jiff::Timestamp;

use crate::{
    digest::{hmac_sha256, sha256_hex},
    random::hex,
};

/// Everything that is signed, and the steps in between.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signed {
    /// The request in its one form.
    pub canonical_request: String,
    /// What the signature is made from.
    pub string_to_sign: String,
    /// The key of that day and service.
    pub signing_key: Vec<u8>,
    /// The header `Authorization`.
    pub authorization: String,
}

impl std::fmt::Debug for Signed {
    /// The key is a secret for a day.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signed").field("string_to_sign", &self.string_to_sign).finish_non_exhaustive()
    }
}

/// Signs a `POST /`. `headers` are all that are to be signed; values of `x-tc-action` are taken in lower case, as the page says.
#[must_use]
pub fn sign(id: &str, key: &str, service: &str, timestamp: u64, headers: &[(&str, &str)], body: &[u8]) -> Signed {
    let mut headers: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| {
            let (name, value) = (name.to_ascii_lowercase(), value.trim());
            let value = if name == "x-tc-action" { value.to_ascii_lowercase() } else { value.to_owned() };
            (name, value)
        })
        .collect();
    headers.sort_unstable();
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let canonical_request = format!("POST\n/\n\n{lines}\n{names}\n{}", sha256_hex(body));
    // The date is that of the time stamp in UTC, whatever the zone of this machine.
    let seconds = i64::try_from(timestamp).unwrap_or(i64::MAX);
    let date = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX).strftime("%Y-%m-%d").to_string();
    let scope = format!("{date}/{service}/tc3_request");
    let string_to_sign = format!("TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{}", sha256_hex(canonical_request.as_bytes()));
    let day = hmac_sha256(format!("TC3{key}").as_bytes(), date.as_bytes());
    let signing_key = hmac_sha256(&hmac_sha256(&day, service.as_bytes()), b"tc3_request");
    let signature = hex(&hmac_sha256(&signing_key, string_to_sign.as_bytes()));
    let authorization =
        format!("TC3-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
    Signed { canonical_request, string_to_sign, signing_key, authorization }
}
