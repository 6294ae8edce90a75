//! Verifying an access token: ours against `jsonwebtoken` alone (the limit), on the same token and the same key; first with
//! its signature verified every time, then as a token that was seen before, by a service that remembers those.
//!
//! Ours checks more: one audience and issuer of the right JSON type, `typ`, `crit`, `iat`, `jti`, size and canonical form.

use std::hint::black_box;

use jsonwebtoken::{DecodingKey, Validation, decode};
use nebula_auth::secrecy::ExposeSecret as _;
use nebula_auth::{AccessGrant, Algorithm, KeySet, SigningKey, TokenService};
use nebula_test_support::{Effort, Unit, Versus};
use nebula_versus::rounds;
use serde::Deserialize;

const ISSUER: &str = "https://auth.example.org";
const AUDIENCE: &str = "orders-api";
const SECRET: &str = "kT9v2Q8wZr5xLm3nPb7cYd1fGh6jKs0aUe4iOqW+";

/// What an application without a library of its own would read.
#[derive(Deserialize)]
#[expect(dead_code, reason = "read to do the work of reading")]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    exp: u64,
    iat: u64,
    jti: String,
    scope: Option<String>,
}

pub(crate) async fn run(effort: Effort) {
    let shared = SigningKey::hs256("shared", SECRET).unwrap();
    compare("verify HS256", effort, shared, DecodingKey::from_secret(SECRET.as_bytes()), effort.pick(5_000, 50_000))
        .await;

    for (workload, algorithm) in [("verify EdDSA", Algorithm::EdDSA), ("verify ES256", Algorithm::ES256)] {
        let pair = SigningKey::generate(algorithm, "pair").unwrap();
        let public = public_key(&pair);
        compare(workload, effort, pair, public, effort.pick(1_000, 10_000)).await;
    }
}

async fn compare(workload: &str, effort: Effort, key: SigningKey, bare: DecodingKey, times: u64) {
    let algorithm = match key.algorithm() {
        Algorithm::HS256 => jsonwebtoken::Algorithm::HS256,
        Algorithm::ES256 => jsonwebtoken::Algorithm::ES256,
        _ => jsonwebtoken::Algorithm::EdDSA,
    };
    let ours = TokenService::new(KeySet::new(key), ISSUER, AUDIENCE).unwrap();
    let grant = AccessGrant::new("10001").session("a-session-of-some-device").scopes(["orders:read", "orders:write"]);
    let issued = ours.issue(&grant).unwrap();
    let token = issued.token.expose_secret();

    let mut validation = Validation::new(algorithm);
    validation.set_audience(&[AUDIENCE]);
    validation.set_issuer(&[ISSUER]);

    let remembering = ours.clone().with_verified_cache(1_000).unwrap();
    for (workload, ours) in [(workload.to_owned(), ours), (format!("{workload}, seen before"), remembering)] {
        let mut versus = Versus::new(&workload).unit(Unit::Nanos);
        for _ in 0..rounds(effort) {
            let verify = async || {
                let all = async {
                    for _ in 0..times {
                        let verdict = ours.verify(black_box(token)).await.unwrap();
                        black_box(verdict.into_result().unwrap());
                    }
                };
                Unit::Nanos.time(times, all).await
            };
            let limit = async || {
                let all = async {
                    for _ in 0..times {
                        black_box(decode::<Claims>(black_box(token), &bare, &validation).unwrap());
                    }
                };
                Unit::Nanos.time(times, all).await
            };
            versus.round("jsonwebtoken (limit)", verify, limit).await;
        }
        versus.print();
    }
}

fn public_key(pair: &SigningKey) -> DecodingKey {
    let jwk = serde_json::from_value(pair.verifying_key().to_jwk().unwrap()).unwrap();
    DecodingKey::from_jwk(&jwk).unwrap()
}
