//! Which shared secrets are refused.

use crate::error::{Error, ErrorKind};

/// RFC 7518, 3.2: a key of the size of the hash output or larger must be used with HS256.
pub(crate) const MIN_SECRET_BYTES: usize = 32;
/// Random base64 or hex of the required length practically never has fewer different characters than this.
const MIN_DISTINCT_BYTES: usize = 10;
/// A secret that repeats itself with a shorter period than this was typed, not generated.
const MIN_PERIOD: usize = 16;

/// Fragments of secrets that ship in samples and tutorials. Checked without case, `-`, `_`, `.` and spaces.
const PLACEHOLDERS: &[&str] = &[
    "secret",
    "changeme",
    "changethis",
    "password",
    "placeholder",
    "replaceme",
    "yourkey",
    "insertkey",
    "mykey",
    "example",
    "qwerty",
    "letmein",
];

/// What signs tokens.
pub(crate) const SIGNING: &str = "the signing secret (nebula.auth.jwt.secret)";

const ADVICE: &str = "use at least 32 random bytes, for example the output of `openssl rand -base64 48`, \
                      and keep it out of version control";

/// Refuses secrets that can be guessed. The text of the error says what the secret is for and never repeats it.
pub(crate) fn check(what: &str, secret: &[u8]) -> Result<(), Error> {
    let mut faults = Vec::new();
    if is_placeholder(secret) {
        faults.push("is a placeholder or contains one".to_owned());
    }
    if secret.len() < MIN_SECRET_BYTES {
        faults.push(format!("has {} bytes where {MIN_SECRET_BYTES} are needed", secret.len()));
    } else if distinct(secret) < MIN_DISTINCT_BYTES || period(secret) < MIN_PERIOD {
        faults.push("repeats itself too much to be random".to_owned());
    }
    if faults.is_empty() {
        return Ok(());
    }
    let text = format!("{what} {}; {ADVICE}", faults.join(" and "));
    Err(Error::new(ErrorKind::WeakSecret, text))
}

fn is_placeholder(secret: &[u8]) -> bool {
    let folded: String = String::from_utf8_lossy(secret)
        .chars()
        .filter(|c| !matches!(c, '-' | '_' | '.' | ' '))
        .flat_map(char::to_lowercase)
        .collect();
    PLACEHOLDERS.iter().any(|known| folded.contains(known))
}

fn distinct(secret: &[u8]) -> usize {
    let mut seen = [false; 256];
    secret.iter().filter(|byte| !std::mem::replace(&mut seen[usize::from(**byte)], true)).count()
}

fn period(secret: &[u8]) -> usize {
    (1..secret.len()).find(|p| secret.iter().zip(&secret[*p..]).all(|(a, b)| a == b)).unwrap_or(secret.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_placeholders_short_and_typed_secrets() {
        let weak = [
            "your-secret-key",
            "",
            "secret",
            "changeme",
            "SecretKey012345678901234567890123456789012345678901234567890123456789",
            "CHANGE_ME_PLEASE_CHANGE_ME_PLEASE_0123456789",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "abababababababababababababababababababab",
            "0123456789012345678901234567890123456789",
            "kX9#mQ2vL7pR4tY8kX9#mQ2vL7pR4tY",
        ];
        for secret in weak {
            let error = check("it", secret.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WeakSecret, "{secret}");
            assert!(error.to_string().contains("openssl rand -base64 48"), "{error}");
            assert!(secret.is_empty() || secret == "secret" || !error.to_string().contains(secret), "{error}");
        }
    }

    #[test]
    fn names_both_faults_of_the_sample_secret() {
        let text = check("it", b"your-secret-key").unwrap_err().to_string();
        assert!(text.contains("placeholder") && text.contains("15 bytes where 32 are needed"), "{text}");
    }

    #[test]
    fn accepts_random_material() {
        check("it", b"nebula-test-hs256-key-0123456789abcdef").unwrap();
        for _ in 0..200 {
            let mut bytes = [0u8; 32];
            crate::random::fill(&mut bytes).unwrap();
            check("it", &bytes).unwrap();
            let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            // 64 random hex digits use fewer than ten different digits less than once in a million.
            check("it", hex.as_bytes()).unwrap();
        }
    }
}
