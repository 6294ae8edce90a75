//! Keys, a fixed clock, and a forge that signs whatever it is given.

#![allow(dead_code, reason = "each test binary uses its part of it")]

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use nebula_auth::{Algorithm, KeySet, ManualClock, SigningKey, TokenService, VerifyingKey, secrecy::SecretString};
use serde_json::{Value, json};

pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const ISSUER: &str = "https://auth.example.test";
pub(crate) const AUDIENCE: &str = "orders-api";
pub(crate) const SECRET: &str = "T7w-Qp2_Zx9.Lm4+Rk8/Vb3!Nc6#Hy1@";

/// Made with `openssl genpkey -algorithm ed25519`; used nowhere but here.
pub(crate) const ED25519_PRIVATE: &str = include_str!("ed25519.pem");
/// The output of `openssl pkey -pubout` for it.
pub(crate) const ED25519_PUBLIC: &str = include_str!("ed25519.pub.pem");
/// Made with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`; used nowhere but here.
pub(crate) const P256_PRIVATE: &str = include_str!("p256.pem");
/// The output of `openssl pkey -pubout` for it.
pub(crate) const P256_PUBLIC: &str = include_str!("p256.pub.pem");
/// A key of a curve that is not offered.
pub(crate) const P384_PRIVATE: &str = include_str!("p384.pem");
/// A key of a kind that is not offered.
pub(crate) const RSA_PRIVATE: &str = include_str!("rsa.pem");

pub(crate) fn pem(text: &str) -> SecretString {
    SecretString::from(text)
}

/// Three keys, one per algorithm: `h`, `e` and `d`.
pub(crate) fn key_set() -> KeySet {
    KeySet::new(SigningKey::hs256("h", SECRET).unwrap())
        .with_verifying(VerifyingKey::from_pem("e", Algorithm::ES256, P256_PUBLIC).unwrap())
        .unwrap()
        .with_verifying(VerifyingKey::from_pem("d", Algorithm::EdDSA, ED25519_PUBLIC).unwrap())
        .unwrap()
}

pub(crate) fn service() -> (TokenService, ManualClock) {
    let clock = ManualClock::at_unix(NOW);
    let service = TokenService::new(key_set(), ISSUER, AUDIENCE).unwrap().with_clock(clock.clone());
    (service, clock)
}

/// The claims of a good token.
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "10001", "jti": "t-1", "sid": "s-1", "pv": 7,
        "iat": NOW - 10, "nbf": NOW - 10, "exp": NOW + 900,
    })
}

/// The claims of a good token with one of them replaced, or removed where the value is `Null`.
pub(crate) fn claims_with(name: &str, value: Value) -> String {
    let mut claims = claims();
    let object = claims.as_object_mut().unwrap();
    object.remove(name);
    if !value.is_null() {
        object.insert(name.to_owned(), value);
    }
    claims.to_string()
}

pub(crate) fn header(algorithm: &str, kid: &str) -> String {
    json!({ "alg": algorithm, "typ": "at+jwt", "kid": kid }).to_string()
}

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn unsigned(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    format!("{}.{}", b64(header), b64(payload))
}

/// Any header and payload, with a right HS256 signature of key `h`.
pub(crate) fn forge(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    forge_with(SECRET.as_bytes(), header, payload)
}

pub(crate) fn forge_with(secret: &[u8], header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    let message = unsigned(header, payload);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", b64(tag))
}

/// A token with good header and these claims.
pub(crate) fn forge_claims(payload: impl AsRef<[u8]>) -> String {
    forge(header("HS256", "h"), payload)
}

fn der(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    base64::engine::general_purpose::STANDARD.decode(body).unwrap()
}

pub(crate) fn sign_es256(message: &str) -> Vec<u8> {
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der(P256_PRIVATE)).unwrap();
    pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap().as_ref().to_vec()
}

pub(crate) fn sign_eddsa(message: &str) -> Vec<u8> {
    Ed25519KeyPair::from_pkcs8(&der(ED25519_PRIVATE)).unwrap().sign(message.as_bytes()).as_ref().to_vec()
}

/// Serves on a port of its own, and returns the address.
pub(crate) async fn serve(make: impl FnOnce(&str) -> axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = make(&url);
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}
