//! One-time codes by message.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use nebula_auth::{
    AuthMethod, Error, ErrorKind, ManualClock,
    mfa::{CodeMessage, CodeSender, CodeSent, FactorKey, FactorRefusal, OneTimeCodes},
    proof::{MemoryProofStore, ProofKey, ProofStore as _},
    secrecy::{ExposeSecret as _, SecretString},
};

use super::{clock, refused};

#[derive(Debug, Clone, Default)]
pub(super) struct Outbox {
    sent: Arc<Mutex<Vec<CodeMessage>>>,
    broken: Arc<AtomicBool>,
}

impl Outbox {
    pub(super) fn last(&self) -> SecretString {
        self.sent.lock().unwrap().last().unwrap().code.clone()
    }

    fn len(&self) -> usize {
        self.sent.lock().unwrap().len()
    }
}

#[async_trait]
impl CodeSender for Outbox {
    async fn send(&self, message: &CodeMessage) -> Result<(), Error> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(Error::unavailable("the gateway does not answer", "connection refused"));
        }
        self.sent.lock().unwrap().push(message.clone());
        Ok(())
    }
}

pub(super) fn codes(clock: &ManualClock) -> (OneTimeCodes, Outbox) {
    let outbox = Outbox::default();
    let store = MemoryProofStore::new();
    let codes = OneTimeCodes::new(store, FactorKey::generate().unwrap(), outbox.clone()).with_clock(clock.clone());
    (codes, outbox)
}

const SENT: CodeSent = CodeSent::Sent { expires_in: Duration::from_mins(5) };

async fn send(codes: &OneTimeCodes) {
    assert_eq!(codes.send("login", "ann", "+1 555 0100").await.unwrap(), SENT);
}

async fn wrong(codes: &OneTimeCodes, scene: &str, subject: &str, code: &SecretString) {
    assert_eq!(refused(codes.check(scene, subject, code).await.unwrap()), FactorRefusal::WrongCode);
}

/// Another code of the same length.
fn other(code: &SecretString) -> SecretString {
    let number: u32 = code.expose_secret().parse().unwrap();
    format!("{:06}", (number + 1) % 1_000_000).into()
}

#[tokio::test]
async fn a_code_works_once_for_its_scene_and_its_subject() {
    let clock = clock();
    let (codes, outbox) = codes(&clock);
    send(&codes).await;
    let code = outbox.last();
    assert_eq!((code.expose_secret().len(), outbox.sent.lock().unwrap()[0].recipient.as_str()), (6, "+1 555 0100"));
    wrong(&codes, "change-phone", "ann", &code).await;
    wrong(&codes, "login", "bob", &code).await;
    let proof = codes.check("login", "ann", &code).await.unwrap().into_result().unwrap();
    assert_eq!((proof.subject(), proof.method()), ("ann", &AuthMethod::OneTimeCode));
    wrong(&codes, "login", "ann", &code).await;
}

#[tokio::test]
async fn five_wrong_codes_end_a_code() {
    let clock = clock();
    let (codes, outbox) = codes(&clock);
    send(&codes).await;
    let code = outbox.last();
    for _ in 0..5 {
        wrong(&codes, "login", "ann", &other(&code)).await;
    }
    clock.advance(Duration::from_secs(1));
    wrong(&codes, "login", "ann", &code).await;
}

#[tokio::test]
async fn a_new_code_does_not_start_the_count_of_the_subject_anew() {
    let clock = clock();
    let (codes, outbox) = codes(&clock);
    let mut guesses = 0;
    let begun = super::at(super::NOW);
    // Somebody who asks for a new code whenever they may, and guesses whenever they may, for a day.
    while nebula_auth::Clock::now(&clock).duration_since(begun).unwrap() < Duration::from_hours(24) {
        if matches!(codes.send("login", "ann", "+1 555 0100").await.unwrap(), CodeSent::Sent { .. }) {
            let code = outbox.last();
            loop {
                match refused(codes.check("login", "ann", &other(&code)).await.unwrap()) {
                    FactorRefusal::WrongCode => guesses += 1,
                    refusal => break assert!(matches!(refusal, FactorRefusal::Throttled { .. }), "{refusal:?}"),
                }
            }
        }
        clock.advance(Duration::from_mins(1));
    }
    assert!(guesses < 200, "{guesses}");
    assert!(outbox.len() < 60, "{}", outbox.len());
}

#[tokio::test]
async fn codes_expire_and_cool_down() {
    let clock = clock();
    let (codes, outbox) = codes(&clock);
    send(&codes).await;
    let first = outbox.last();
    clock.advance(Duration::from_secs(20));
    let cooling = CodeSent::CoolingDown { retry_after: Duration::from_secs(40) };
    assert_eq!(codes.send("login", "ann", "+1 555 0100").await.unwrap(), cooling);
    assert_eq!(codes.send("change-phone", "ann", "+1 555 0100").await.unwrap(), SENT, "another scene");
    clock.advance(Duration::from_secs(40));
    send(&codes).await;
    wrong(&codes, "login", "ann", &first).await;
    clock.advance(Duration::from_mins(5));
    wrong(&codes, "login", "ann", &outbox.last()).await;
    // A code that was used keeps the next one waiting, too.
    send(&codes).await;
    let _ = codes.check("login", "ann", &outbox.last()).await.unwrap().into_result().unwrap();
    assert!(matches!(codes.send("login", "ann", "+1 555 0100").await.unwrap(), CodeSent::CoolingDown { .. }));
}

#[tokio::test]
async fn a_recipient_is_not_flooded_in_the_name_of_many() {
    let clock = clock();
    let (codes, outbox) = codes(&clock);
    for number in 0..1000 {
        let _ = codes.send("login", &format!("user-{number}"), "+1 555 0100").await.unwrap();
    }
    assert_eq!(outbox.len(), 5);
}

#[tokio::test]
async fn what_was_not_sent_cannot_be_used_and_is_no_reason_to_wait() {
    let clock = clock();
    let (codes, outbox) = codes(&clock);
    outbox.broken.store(true, Ordering::SeqCst);
    let error = codes.send("login", "ann", "+1 555 0100").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    outbox.broken.store(false, Ordering::SeqCst);
    send(&codes).await;
}

#[tokio::test]
async fn of_many_at_once_with_the_right_code_one_gets_in() {
    let clock = clock();
    let (codes, outbox) = codes(&clock);
    send(&codes).await;
    let code = outbox.last();
    let checks: Vec<_> = (0..5)
        .map(|_| {
            let (codes, code) = (codes.clone(), code.clone());
            tokio::spawn(async move { codes.check("login", "ann", &code).await.unwrap().into_result().is_ok() })
        })
        .collect();
    let mut accepted = 0;
    for check in checks {
        accepted += u32::from(check.await.unwrap());
    }
    assert_eq!(accepted, 1);
}

#[tokio::test]
async fn the_store_holds_no_code() {
    let clock = clock();
    let (outbox, store) = (Outbox::default(), MemoryProofStore::new());
    let codes = OneTimeCodes::new(store.clone(), FactorKey::generate().unwrap(), outbox.clone()).with_clock(clock);
    send(&codes).await;
    let record = store.load(&ProofKey::of("code", &["login", "ann"])).await.unwrap().unwrap();
    let body = String::from_utf8(record.body).unwrap();
    for secret in [outbox.last().expose_secret(), "ann", "555"] {
        assert!(!body.contains(secret), "{body}");
    }
}

#[test]
fn settings_out_of_bounds_are_refused() {
    for (digits, seconds, attempts) in [(5, 300, 5), (10, 300, 5), (6, 29, 5), (6, 1801, 5), (6, 300, 0), (6, 300, 11)]
    {
        let (codes, _) = codes(&clock());
        let error = codes.with_limits(digits, Duration::from_secs(seconds), attempts).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    }
}
