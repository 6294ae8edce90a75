//! The examples of the standards.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nebula_auth::{
    VerifyingKey,
    mfa::{TotpAlgorithm, TotpParams},
};

use super::{cases, text};

#[test]
fn time_based_codes_are_those_of_rfc_6238() {
    let cases = cases();
    let vectors = &cases["totp_rfc6238"];
    let mut compared = 0;
    for (name, algorithm) in
        [("SHA1", TotpAlgorithm::Sha1), ("SHA256", TotpAlgorithm::Sha256), ("SHA512", TotpAlgorithm::Sha512)]
    {
        let params = TotpParams::new(algorithm, 8, 30).unwrap();
        let secret = text(&vectors["secrets_ascii"], name).as_bytes();
        for vector in vectors["vectors"].as_array().unwrap() {
            let (time, counter) = (vector["time"].as_u64().unwrap(), text(vector, "counter_hex"));
            assert_eq!(params.code_at(secret, time), text(vector, name), "{name} at {time}");
            assert_eq!(params.code(secret, u64::from_str_radix(counter, 16).unwrap()), text(vector, name));
            compared += 1;
        }
    }
    assert_eq!(compared, 18);
}

#[test]
fn counted_codes_are_those_of_rfc_4226() {
    let cases = cases();
    let vectors = &cases["hotp_rfc4226"];
    let codes = vectors["codes"].as_array().unwrap();
    assert_eq!(codes.len(), 10);
    for (counter, code) in (0u64..).zip(codes) {
        let secret = text(vectors, "secret_ascii").as_bytes();
        assert_eq!(TotpParams::default().code(secret, counter), code.as_str().unwrap(), "{counter}");
    }
}

/// It expired in 2011, and its type is not ours, so the signature is all that may pass.
#[test]
fn the_signature_of_rfc_7515_verifies_and_the_token_does_not() {
    let cases = cases();
    let example = &cases["jws_rfc7515_a1"];
    let key = VerifyingKey::hs256("a1", URL_SAFE_NO_PAD.decode(text(example, "key_b64url")).unwrap()).unwrap();
    let (message, signature) = text(example, "token").rsplit_once('.').unwrap();
    assert!(key.verify_signature(message.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()));
    super::tokens::service().0.verify_offline(text(example, "token")).unwrap_err();
}
