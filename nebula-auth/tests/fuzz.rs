//! What fuzzers call, called with cases that follow from a number. For real fuzzing see `fuzz/`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test is meant to panic")]

use nebula_auth::testing::fuzz;

/// The same cases on every machine (SplitMix64).
struct Cases(u64);

impl Cases {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    /// A good text with a few changes, or parts of good texts in another order.
    fn changed(&mut self, seeds: &[Vec<u8>], letters: &[u8]) -> Vec<u8> {
        let mut data = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(data.len());
            match self.below(6) {
                0 if !data.is_empty() => data[at] = letters[self.below(letters.len())],
                1 if !data.is_empty() => data[at] ^= 1 << self.below(8),
                2 => data.insert(at, letters[self.below(letters.len())]),
                3 if !data.is_empty() => {
                    data.remove(at);
                }
                4 => data.truncate(at),
                _ => {
                    let other = &seeds[self.below(seeds.len())];
                    let from = self.below(other.len());
                    data.truncate(at);
                    data.extend_from_slice(&other[from..]);
                }
            }
        }
        data
    }
}

fn tokens(cases: u64) {
    let mut seeds: Vec<Vec<u8>> = fuzz::token_seeds().iter().map(|token| token.clone().into_bytes()).collect();
    for text in [
        r#"{"iss":"issuer","aud":"audience","sub":"u","iat":1,"nbf":1,"exp":2,"jti":"j"}"#,
        r#"{"iss":"issuer","aud":["a","audience"],"sub":"u","iat":1,"nbf":1,"exp":2,"jti":"j","amr":["pwd"],"scope":"a b"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"h"}"#,
        "eyJhbGciOiJub25lIn0.e30.",
    ] {
        seeds.push(text.as_bytes().to_vec());
    }
    let letters = b"{}[]\":,.\\ =-_0123456789eEAaZz\n\0\xff\xc3";
    let mut source = Cases(1);
    for _ in 0..cases {
        fuzz::token(&source.changed(&seeds, letters));
    }
}

fn permissions(cases: u64) {
    let seeds: Vec<Vec<u8>> =
        ["order:read", "order:*", "*", "*:read", "a-b_c:d0:*", "rbac:user:write", "a:b:c:d:e:f:g:h"]
            .map(|text| text.as_bytes().to_vec())
            .to_vec();
    let letters = "az09-_:*A. \0\u{ff1a}\u{200b}\u{43e}".as_bytes();
    let mut source = Cases(2);
    for _ in 0..cases {
        fuzz::permission(&source.changed(&seeds, letters));
    }
}

#[test]
fn seeds_and_a_few_thousand_changes() {
    for token in fuzz::token_seeds() {
        fuzz::token(token.as_bytes());
    }
    tokens(5_000);
    permissions(20_000);
}

#[test]
#[ignore = "a million cases each: cargo test -p nebula-auth --release --test fuzz -- --ignored"]
fn a_million_cases() {
    tokens(1_000_000);
    permissions(1_000_000);
}
