//! Tokens that are checked without asking anybody: a time and a signature over what they are for.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    clock::Millis,
    ids::{SessionId, UserId},
};

/// What a token is good for. A token of one purpose is worth nothing for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Its owner was let in by the waiting room.
    Admission,
    /// Its owner reserved.
    Qualification,
    /// Its owner solved a challenge.
    Human,
}

/// What a token is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// It was signed here for this buyer, this sale and this purpose, and its time is not over.
    Good,
    /// The same, but its time is over.
    Expired,
    /// Anything else.
    Wrong,
}

/// Signs and checks tokens. Each is bound to one buyer and one session.
pub struct Tokens(hmac::Key);

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(..)")
    }
}

impl Tokens {
    /// Signs with a key that is derived from this secret, so that it signs nothing else.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), b"ticketing admission v1");
        Self(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
    }

    /// A token that is good until then.
    #[must_use]
    pub fn issue(&self, purpose: Purpose, session: SessionId, user: UserId, until: Millis) -> String {
        let tag = hmac::sign(&self.0, &signed(purpose, session, user, until));
        format!("1.{}.{}", until.0, URL_SAFE_NO_PAD.encode(tag.as_ref()))
    }

    /// What a token is worth now.
    #[must_use]
    pub fn check(&self, token: &str, purpose: Purpose, session: SessionId, user: UserId, now: Millis) -> Check {
        let parts = token.strip_prefix("1.").and_then(|rest| rest.split_once('.'));
        let Some((until, tag)) =
            parts.and_then(|(until, tag)| Some((Millis(until.parse().ok()?), URL_SAFE_NO_PAD.decode(tag).ok()?)))
        else {
            return Check::Wrong;
        };
        // In constant time.
        match hmac::verify(&self.0, &signed(purpose, session, user, until), &tag) {
            Err(_) => Check::Wrong,
            Ok(()) if until <= now => Check::Expired,
            Ok(()) => Check::Good,
        }
    }
}

fn signed(purpose: Purpose, session: SessionId, user: UserId, until: Millis) -> Vec<u8> {
    let purpose: &[u8] = match purpose {
        Purpose::Admission => b"admission",
        Purpose::Qualification => b"qualification",
        Purpose::Human => b"human",
    };
    [purpose, b"\0", session.0.as_bytes(), user.0.as_bytes(), &until.0.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_buyer_s_for_one_sale_one_purpose_and_a_time() {
        let (tokens, other) = (Tokens::new(b"a secret"), Tokens::new(b"another"));
        let (session, user, until) = (SessionId::new(), UserId::new(), Millis(1_000));
        let token = tokens.issue(Purpose::Admission, session, user, until);
        let check = |tokens: &Tokens, token: &str, purpose, session, user, now| {
            tokens.check(token, purpose, session, user, Millis(now))
        };
        let purpose = Purpose::Admission;
        assert_eq!(check(&tokens, &token, purpose, session, user, 999), Check::Good);
        assert_eq!(check(&tokens, &token, purpose, session, user, 1_000), Check::Expired);
        assert_eq!(check(&other, &token, purpose, session, user, 0), Check::Wrong);
        assert_eq!(check(&tokens, &token, Purpose::Human, session, user, 0), Check::Wrong);
        assert_eq!(check(&tokens, &token, purpose, SessionId::new(), user, 0), Check::Wrong);
        assert_eq!(check(&tokens, &token, purpose, session, UserId::new(), 0), Check::Wrong);
        let later = token.replace("1.1000.", "1.9000.");
        for forged in ["", "1.", "1.1000", "1.1000.", "2.1000.AAAA", "1.x.AAAA", &later, &token[..token.len() - 1]] {
            assert_eq!(check(&tokens, forged, purpose, session, user, 0), Check::Wrong, "{forged}");
        }
    }
}
