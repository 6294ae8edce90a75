//! What a request pays: verification of an access token per algorithm, beside the bare library; and what a login pays.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a broken benchmark is meant to panic")]

use criterion::{Criterion, criterion_group, criterion_main};
use nebula_auth::{
    AccessGrant, Algorithm, KeySet, MemoryRefreshStore, NewSession, PasswordHasher, SessionService, SigningKey,
    TokenService,
    secrecy::{ExposeSecret as _, SecretString},
};
use std::hint::black_box;

fn tokens(algorithm: Algorithm) -> TokenService {
    let keys = KeySet::new(SigningKey::generate(algorithm, "k").unwrap());
    TokenService::new(keys, "https://auth.example.org", "orders-api").unwrap()
}

fn verify(c: &mut Criterion) {
    let mut group = c.benchmark_group("verify");
    for algorithm in [Algorithm::HS256, Algorithm::EdDSA, Algorithm::ES256] {
        let tokens = tokens(algorithm);
        let grant = AccessGrant::new("10001").session("0192f3a4").permission_version(7);
        let issued = tokens.issue(&grant).unwrap();
        let token = issued.token.expose_secret();
        group.bench_function(algorithm.as_str(), |b| b.iter(|| tokens.verify_offline(black_box(token)).unwrap()));
    }
    group.finish();
}

fn bare(c: &mut Criterion) {
    use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation, decode, encode, get_current_timestamp};

    let secret = b"kQ4vW8zR1tY6uI3oP9aS5dF2gH7jK0lX";
    let now = get_current_timestamp();
    let claims = serde_json::json!({
        "iss": "https://auth.example.org", "aud": "orders-api", "sub": "10001", "iat": now, "nbf": now,
        "exp": now + 7200, "jti": "0192f3a4b5c6d7e8f90a1b2c3d4e5f60", "sid": "0192f3a4", "pv": 7,
    });
    let token = encode(&Header::default(), &claims, &EncodingKey::from_secret(secret)).unwrap();
    let mut validation = Validation::default();
    validation.set_issuer(&["https://auth.example.org"]);
    validation.set_audience(&["orders-api"]);
    let key = DecodingKey::from_secret(secret);
    c.bench_function("verify/bare jsonwebtoken HS256", |b| {
        b.iter(|| decode::<serde_json::Value>(black_box(&token), &key, &validation).unwrap());
    });
}

fn issue(c: &mut Criterion) {
    let mut group = c.benchmark_group("issue");
    for algorithm in [Algorithm::HS256, Algorithm::EdDSA, Algorithm::ES256] {
        let tokens = tokens(algorithm);
        let grant = AccessGrant::new("10001");
        group.bench_function(algorithm.as_str(), |b| b.iter(|| tokens.issue(black_box(&grant)).unwrap()));
    }
    group.finish();
}

fn sessions(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let service = SessionService::new(tokens(Algorithm::EdDSA), MemoryRefreshStore::new());
    let mut pair = runtime.block_on(service.start(NewSession::new("10001"))).unwrap();
    c.bench_function("refresh/memory EdDSA", |b| {
        b.iter(|| {
            let next = runtime.block_on(service.refresh(&pair.refresh_token, nebula_auth::RefreshOptions::new()));
            pair = next.unwrap().into_result().unwrap();
        });
    });
    let hasher = PasswordHasher::new();
    let password = || SecretString::from("correct horse battery staple");
    let hash = runtime.block_on(hasher.hash(password())).unwrap().into_result().unwrap();
    let mut group = c.benchmark_group("password");
    group.sample_size(20);
    group.bench_function("verify", |b| b.iter(|| runtime.block_on(hasher.verify(password(), &hash)).unwrap()));
    group.finish();
}

criterion_group!(benches, verify, bare, issue, sessions);
criterion_main!(benches);
