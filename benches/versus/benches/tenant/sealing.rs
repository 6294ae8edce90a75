//! Sealing and opening a value, against the bare AEAD with a key at hand: what is left is the look-up of the tenant's and the column's key, and
//! the place that the value is bound to.

use std::hint::black_box;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand;
use nebula_tenant::TenantContext;
use nebula_tenant::seal::{LocalMasterKey, MemoryKeyStore, Place, TenantCipher};
use nebula_test_support::{Effort, Unit, Versus};
use nebula_versus::rounds;

const PHONE: Place<'static> = Place::column("buyers", "phone");

/// As many bytes as a value is bound to by the cipher: tenant, table, column, row and version, each with its length.
const BOUND: [u8; 61] = [0; 61];

struct Bare(LessSafeKey);

impl Bare {
    fn new() -> Self {
        Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).unwrap()))
    }

    fn seal(&self, value: &[u8]) -> ([u8; 12], Vec<u8>) {
        let (mut nonce, mut text) = ([0; 12], value.to_vec());
        rand::fill(&mut nonce).unwrap();
        let unique = Nonce::assume_unique_for_key(nonce);
        self.0.seal_in_place_append_tag(unique, Aad::from(BOUND), &mut text).unwrap();
        (nonce, text)
    }

    fn open(&self, (nonce, text): &([u8; 12], Vec<u8>)) -> Vec<u8> {
        let mut text = text.clone();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.0.open_in_place(nonce, Aad::from(BOUND), &mut text).unwrap().len();
        text.truncate(length);
        text
    }
}

pub(crate) async fn run(effort: Effort) {
    let cipher = TenantCipher::new(MemoryKeyStore::new(), LocalMasterKey::new("k", &vec![7; 32].into()).unwrap());
    let star = TenantContext::of("star".parse().unwrap());
    for (name, size, times) in [("32 B", 32, effort.pick(20_000, 200_000)), ("4 KiB", 4096, effort.pick(5_000, 50_000))]
    {
        let value = vec![b'x'; size];
        let bare = Bare::new();
        let mut versus = Versus::new(&format!("seal {name}")).unit(Unit::Nanos);
        for _ in 0..rounds(effort) {
            let ours = async || {
                let all = async {
                    for _ in 0..times {
                        black_box(cipher.seal(PHONE.row("42"), black_box(&value)).await.unwrap());
                    }
                };
                star.clone().scope(Unit::Nanos.time(times, all)).await.unwrap()
            };
            let limit = async || {
                let all = async { (0..times).for_each(|_| drop(black_box(bare.seal(black_box(&value))))) };
                Unit::Nanos.time(times, all).await
            };
            versus.round("AES-256-GCM (limit)", ours, limit).await;
        }
        versus.print();

        let sealed = star.clone().scope(cipher.seal(PHONE.row("42"), &value)).await.unwrap().unwrap();
        let plain = bare.seal(&value);
        let mut versus = Versus::new(&format!("open {name}")).unit(Unit::Nanos);
        for _ in 0..rounds(effort) {
            let ours = async || {
                let all = async {
                    for _ in 0..times {
                        black_box(cipher.open(PHONE.row("42"), black_box(&sealed)).await.unwrap());
                    }
                };
                star.clone().scope(Unit::Nanos.time(times, all)).await.unwrap()
            };
            let limit = async || {
                let all = async { (0..times).for_each(|_| drop(black_box(bare.open(black_box(&plain))))) };
                Unit::Nanos.time(times, all).await
            };
            versus.round("AES-256-GCM (limit)", ours, limit).await;
        }
        versus.print();
    }
}
