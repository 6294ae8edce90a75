//! The signed envelope (RFC 7515, compact form).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    header::{Header, TokenType},
    refusal::TokenRefusal,
};
use crate::{
    error::Error,
    key::{KeySet, SigningKey},
};

/// Far above what this crate issues (about 500 bytes), far below what could hurt.
pub(crate) const MAX_TOKEN_BYTES: usize = 8192;

pub(crate) fn sign(key: &SigningKey, typ: TokenType, payload: &[u8]) -> Result<String, Error> {
    let mut token = URL_SAFE_NO_PAD.encode(Header::write(key, typ));
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

/// The payload, once the signature is proven. Cheap checks come first; nothing of the payload is read before.
///
/// Remote keys count after our own, and only for tokens that name them.
pub(crate) fn open(
    token: &str,
    typ: TokenType,
    keys: &KeySet,
    remote: Option<&KeySet>,
) -> Result<Vec<u8>, TokenRefusal> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenRefusal::TooLarge);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(TokenRefusal::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(TokenRefusal::Malformed)?;
    // The alphabet has no dot, so a fourth part is refused by the decoder, as are padding and stray bits.
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenRefusal::Malformed);
    let (header, payload, signature) = (decode(header)?, decode(payload)?, decode(signature)?);

    let header = Header::parse(&header, typ)?;
    let key = match &header.kid {
        Some(kid) => keys.get(kid).or_else(|| remote.and_then(|remote| remote.get(kid))),
        None => keys.only_key_of(header.algorithm),
    };
    let key = key.ok_or(TokenRefusal::UnknownKey)?;
    if key.algorithm() != header.algorithm {
        return Err(TokenRefusal::AlgorithmNotAllowed);
    }
    if key.verifies(message.as_bytes(), &signature) { Ok(payload) } else { Err(TokenRefusal::BadSignature) }
}
