//! Verification codes, from asking for one to typing it in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::{sync::Arc, time::Duration};

use nebula_notification::{
    Channel, CodeRequest, CodeStore, ErrorClass, ErrorKind, Issued, LimitRule, Limits, ManualClock, MemoryCodes,
    MemoryLimits, Outcome, Phone, PumpGuard, RedisCodes, Verdict, VerificationCodes, nebula_redis::RedisConfig,
    testing::ScriptedSender,
};
use nebula_test_support::{redis_url, unique};
use support::{builder, clock, phone};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn sms(name: &str) -> ScriptedSender {
    ScriptedSender::new(name, Channel::Sms)
}

fn codes(clock: &ManualClock, senders: &[&ScriptedSender], store: impl CodeStore) -> VerificationCodes {
    let notifier = senders.iter().fold(builder(clock), |builder, one| builder.sender((*one).clone())).build();
    VerificationCodes::new(notifier, store, SECRET).unwrap()
}

fn login() -> CodeRequest {
    CodeRequest::new("login", "login", phone())
}

/// The code that a sender was last asked to send.
fn typed(sender: &ScriptedSender) -> String {
    sender.seen().last().unwrap().params.text("code").unwrap()
}

#[tokio::test]
async fn a_code_lets_in_once_for_its_scene_and_its_number() {
    let (clock, sender) = (clock(), sms("one"));
    let codes = codes(&clock, &[&sender], MemoryCodes::with_clock(clock.clone()));
    let Issued::Sent { valid_for, resend_after, submission } = codes.send(login()).await.unwrap() else {
        panic!("it was not sent");
    };
    assert_eq!((valid_for.as_secs(), resend_after.as_secs()), (300, 60));
    let code = typed(&sender);
    assert!(code.len() == 6 && code.bytes().all(|digit| digit.is_ascii_digit()));
    assert!(!format!("{submission:?} {codes:?}").contains(&code));
    let other = Phone::parse("+8613900139000", None).unwrap();
    assert_eq!(codes.verify("reset", phone(), &code).await.unwrap(), Verdict::Refused);
    assert_eq!(codes.verify("login", other, &code).await.unwrap(), Verdict::Refused);
    assert_eq!(codes.verify_for("acme", "login", phone(), &code).await.unwrap(), Verdict::Refused);
    let spaced = format!(" {} {} ", &code[..3], &code[3..]);
    assert_eq!(codes.verify("login", phone(), &spaced).await.unwrap(), Verdict::Accepted);
    assert_eq!(codes.verify("login", phone(), &code).await.unwrap(), Verdict::Refused);
}

#[tokio::test]
async fn cool_down_expiry_and_a_new_code_that_voids_the_old() {
    let (clock, sender) = (clock(), sms("one"));
    let codes = codes(&clock, &[&sender], MemoryCodes::with_clock(clock.clone()));
    assert!(matches!(codes.send(login()).await.unwrap(), Issued::Sent { .. }));
    let first = typed(&sender);
    clock.advance(Duration::from_secs(59));
    let Issued::CoolDown { retry_after } = codes.send(login()).await.unwrap() else { panic!("it was too soon") };
    assert_eq!(retry_after, Duration::from_secs(1));
    let reset = CodeRequest::new("reset", "login", phone());
    assert!(matches!(codes.send(reset).await.unwrap(), Issued::Sent { .. }), "another scene");
    clock.advance(Duration::from_secs(1));
    assert!(matches!(codes.send(login()).await.unwrap(), Issued::Sent { .. }));
    let second = typed(&sender);
    if first != second {
        assert_eq!(codes.verify("login", phone(), &first).await.unwrap(), Verdict::Refused);
    }
    clock.advance(Duration::from_secs(300));
    assert_eq!(codes.verify("login", phone(), &second).await.unwrap(), Verdict::Refused, "five minutes are over");
}

#[tokio::test]
async fn the_next_provider_sends_the_same_code_and_a_failure_voids_it() {
    let clock = clock();
    let (first, second) = (sms("one").always(Outcome::unknown("timeout")), sms("two"));
    let both = codes(&clock, &[&first, &second], MemoryCodes::with_clock(clock.clone()));
    assert!(matches!(both.send(login()).await.unwrap(), Issued::Sent { .. }));
    assert_eq!(typed(&first), typed(&second));
    assert_eq!(both.verify("login", phone(), &typed(&first)).await.unwrap(), Verdict::Accepted);

    let refusing = sms("one").then(Outcome::refused(ErrorClass::Recipient, "blacklist", ""));
    let one = codes(&clock, &[&refusing], MemoryCodes::with_clock(clock.clone()));
    assert!(matches!(one.send(login()).await.unwrap(), Issued::Failed(_)));
    assert_eq!(one.verify("login", phone(), &typed(&refusing)).await.unwrap(), Verdict::Refused);
    assert!(matches!(one.send(login()).await.unwrap(), Issued::Sent { .. }), "no cool-down for what was never sent");
}

async fn a_crowd_never_gets_more_than_five_tries(store: impl CodeStore, guesses: u32) {
    let (clock, sender) = (clock(), sms("one"));
    let codes = Arc::new(codes(&clock, &[&sender], store));
    assert!(matches!(codes.send(login()).await.unwrap(), Issued::Sent { .. }));
    let code = typed(&sender);
    let mut all = tokio::task::JoinSet::new();
    for chunk in 0..100 {
        let (codes, code) = (Arc::clone(&codes), code.clone());
        all.spawn(async move {
            let mine = chunk * (guesses / 100)..(chunk + 1) * (guesses / 100);
            let mut accepted = 0;
            for number in mine {
                // Everything but the right one: a crowd that is let in has had more than five tries.
                let guess = format!("{number:06}");
                let guess = if guess == code { "x".to_owned() } else { guess };
                accepted += usize::from(codes.verify("login", phone(), &guess).await.unwrap() == Verdict::Accepted);
            }
            accepted
        });
    }
    assert_eq!(all.join_all().await.into_iter().sum::<usize>(), 0);
    assert_eq!(codes.verify("login", phone(), &code).await.unwrap(), Verdict::Refused, "its tries are used up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_thousand_guess_at_once() {
    a_crowd_never_gets_more_than_five_tries(MemoryCodes::new(), 100_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_guess_at_once_on_redis() {
    let connection = RedisConfig::new(redis_url().await).connect().await.unwrap();
    let store = RedisCodes::new(connection).with_namespace(unique("codes"));
    a_crowd_never_gets_more_than_five_tries(store, 10_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "takes a minute on a busy machine; `cargo xtask ci --full`"]
async fn a_hundred_thousand_guess_at_once_on_redis() {
    let connection = RedisConfig::new(redis_url().await).connect().await.unwrap();
    let store = RedisCodes::new(connection).with_namespace(unique("codes"));
    a_crowd_never_gets_more_than_five_tries(store, 100_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_that_submit_the_right_code_at_once_are_one_success() {
    let connection = RedisConfig::new(redis_url().await).connect().await.unwrap();
    let store = RedisCodes::new(connection).with_namespace(unique("codes"));
    let (clock, sender) = (clock(), sms("one"));
    let codes = codes(&clock, &[&sender], store).with_cool_down(Duration::ZERO);
    for _ in 0..50 {
        assert!(matches!(codes.send(login()).await.unwrap(), Issued::Sent { .. }));
        let code = typed(&sender);
        let (one, other) = tokio::join!(codes.verify("login", phone(), &code), codes.verify("login", phone(), &code));
        let accepted = [one.unwrap(), other.unwrap()].iter().filter(|one| **one == Verdict::Accepted).count();
        assert_eq!(accepted, 1);
    }
}

#[tokio::test]
async fn limits_hold_for_codes() {
    let (clock, sender) = (clock(), sms("one"));
    let limits = Limits::new(MemoryLimits::with_clock(clock.clone())).with_rule(LimitRule::per_phone(5));
    let notifier = builder(&clock).sender(sender.clone()).limits(limits).build();
    let codes = VerificationCodes::new(notifier, MemoryCodes::with_clock(clock.clone()), SECRET).unwrap();
    for _ in 0..5 {
        assert!(matches!(codes.send(login()).await.unwrap(), Issued::Sent { .. }));
        clock.advance(Duration::from_secs(61));
    }
    let Issued::Limited(rule) = codes.send(login()).await.unwrap() else { panic!("the sixth of the day") };
    assert!(rule.contains("phone.day"), "{rule}");
    clock.advance(Duration::from_secs(25 * 3600));
    assert!(matches!(codes.send(login()).await.unwrap(), Issued::Sent { .. }));
}

#[tokio::test]
async fn pumping_is_noticed() {
    let (clock, sender) = (clock(), sms("one"));
    let notifier = builder(&clock).sender(sender.clone()).build();
    let counters = MemoryLimits::with_clock(clock.clone());
    let guard = PumpGuard::new(counters).only(["CN", "GB"]).with_verify_rate(6, 500);
    let codes = VerificationCodes::new(notifier, MemoryCodes::with_clock(clock.clone()), SECRET).unwrap();
    let codes = codes.with_guard(guard.with_velocity(8, Duration::from_secs(3600), 4));
    let number = |text: &str| Phone::parse(text, None).unwrap();
    let ask = async |phone: Phone| match codes.send(CodeRequest::new("login", "login", phone)).await.unwrap() {
        Issued::Sent { .. } => "sent".to_owned(),
        Issued::Limited(reason) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(ask(number("+14155552671")).await, "region");
    // A block whose customers type their codes in: only its velocity ends it.
    for at in 0..8 {
        let phone = number(&format!("+861380013800{at}"));
        assert_eq!(ask(phone.clone()).await, "sent");
        let code = typed(&sender);
        assert_eq!(codes.verify("login", phone, &code).await.unwrap(), Verdict::Accepted);
    }
    assert_eq!(ask(number("+8613800138009")).await, "velocity");
    // A block where nobody does.
    for at in 0..6 {
        assert_eq!(ask(number(&format!("+861390013900{at}"))).await, "sent");
    }
    assert_eq!(ask(number("+8613900139009")).await, "verify rate");
    clock.advance(Duration::from_secs(2 * 3600));
    assert_eq!(ask(number("+8613900139009")).await, "sent");
}

#[tokio::test]
async fn a_short_secret_and_a_store_that_is_away() {
    let notifier = builder(&clock()).sender(sms("one")).build();
    let error = VerificationCodes::new(notifier, MemoryCodes::new(), "short").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    let server = nebula_test_support::RedisServer::start().await;
    let connection = RedisConfig::new(server.url()).connect().await.unwrap();
    let sender = sms("one");
    let codes = codes(&clock(), &[&sender], RedisCodes::new(connection));
    drop(server);
    assert_eq!(codes.send(login()).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(codes.verify("login", phone(), "1").await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(sender.seen().is_empty());
}
