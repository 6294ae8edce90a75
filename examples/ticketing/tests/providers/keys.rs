//! Keys of the platform and of the stand-ins, and signatures that owe nothing to the platform's own code.

use std::sync::OnceLock;

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey},
};
use base64::{Engine, prelude::BASE64_STANDARD};

/// A private key and its public one.
pub struct Pair {
    /// PEM.
    pub private: String,
    /// PEM.
    pub public: String,
    signer: RsaKeyPair,
    verifier: UnparsedPublicKey<Vec<u8>>,
}

impl Pair {
    fn make() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let pem = |name: &str, der: &[u8]| {
            format!("-----BEGIN {name}-----\n{}\n-----END {name}-----\n", BASE64_STANDARD.encode(der))
        };
        Self {
            private: pem("PRIVATE KEY", private.as_ref()),
            public: pem("PUBLIC KEY", public.as_ref()),
            signer: RsaKeyPair::from_pkcs8(private.as_ref()).unwrap(),
            verifier: UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public.as_ref().to_vec()),
        }
    }

    /// SHA-256 with RSA, in base64.
    pub fn sign(&self, message: &str) -> String {
        let mut signature = vec![0; self.signer.public_modulus_len()];
        self.signer.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
        BASE64_STANDARD.encode(signature)
    }

    pub fn is_signed(&self, message: &str, signature: &str) -> bool {
        BASE64_STANDARD
            .decode(signature)
            .is_ok_and(|signature| self.verifier.verify(message.as_bytes(), &signature).is_ok())
    }
}

/// The platform's key, the provider's and a stranger's. Making them takes long: once for all tests.
pub fn keys() -> &'static [Pair; 3] {
    static KEYS: OnceLock<[Pair; 3]> = OnceLock::new();
    KEYS.get_or_init(|| std::array::from_fn(|_| Pair::make()))
}

pub fn ours() -> &'static Pair {
    &keys()[0]
}

pub fn theirs() -> &'static Pair {
    &keys()[1]
}

pub fn stranger() -> &'static Pair {
    &keys()[2]
}
