//! Who is asked next, who is never asked, and what is written down: for every class of error and every kind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::time::Duration;

use nebula_notification::AudienceStore;
use nebula_notification::{
    Attempt, AttemptState, Channel, Consent, DeliveryReceipt, ErrorClass, JobStatus, Kind, MemoryAudience,
    Notification, Outcome, Preferences, Route, Settled, testing::ScriptedSender,
};
use support::{builder, clock, order, phone};

fn outcome(class: ErrorClass) -> Outcome {
    match class {
        ErrorClass::Unknown => Outcome::unknown("timeout"),
        class => Outcome::refused(class, class.as_str(), "because"),
    }
}

fn notification(kind: Kind) -> Notification {
    match kind {
        Kind::Code => Notification::new("login").to(phone()).param("code", "012345"),
        Kind::Notice => order("order.paid"),
        Kind::Marketing => order("sale"),
        Kind::Alarm => order("alarm"),
    }
}

async fn willing() -> MemoryAudience {
    let audience = MemoryAudience::new();
    let wishes = Preferences::new().consent(Channel::Sms, "form 3", std::time::SystemTime::now());
    audience.set("sms:+8613800138000", Some(&wishes)).await.unwrap();
    audience
}

fn states(attempts: &[Attempt]) -> Vec<(&str, AttemptState, Option<ErrorClass>)> {
    attempts.iter().map(|one| (one.provider.as_str(), one.state, one.class)).collect()
}

/// The first provider answers with a class, the second would take the message.
#[tokio::test]
async fn the_matrix() {
    use AttemptState::{Accepted, Refused, Unknown};

    for &kind in Kind::ALL {
        for &class in ErrorClass::ALL {
            let first = ScriptedSender::new("first", Channel::Sms).always(outcome(class));
            let second = ScriptedSender::new("second", Channel::Sms);
            let notifier =
                builder(&clock()).audience(willing().await).sender(first.clone()).sender(second.clone()).build();
            let sent = notifier.send(notification(kind)).await.unwrap();
            let job = &sent.jobs[0];
            let repeats = matches!(kind, Kind::Code | Kind::Alarm);
            // What the issue of the table is: tries at the first, whether the second is asked, and the status.
            let (tries, asked, status) = match class {
                ErrorClass::Transient => (2, true, JobStatus::Accepted),
                ErrorClass::Account | ErrorClass::Unmapped => (1, true, JobStatus::Accepted),
                ErrorClass::Recipient | ErrorClass::Content => (1, false, JobStatus::Failed),
                ErrorClass::Unknown if repeats => (1, true, JobStatus::Accepted),
                ErrorClass::Unknown => (1, false, JobStatus::Unknown),
            };
            let what = format!("{kind}, {class}");
            assert_eq!((first.seen().len(), second.seen().len()), (tries, usize::from(asked)), "{what}");
            assert_eq!(job.status, status, "{what}");
            let state = if class == ErrorClass::Unknown { Unknown } else { Refused };
            let mut expected = vec![("first", state, Some(class)); tries];
            expected.extend(asked.then_some(("second", Accepted, None)));
            assert_eq!(states(&job.attempts), expected, "{what}");
            for attempt in second.seen() {
                assert_eq!(attempt.params, first.seen()[0].params, "{what}: the same code, the same words");
                assert_ne!(attempt.reference, first.seen()[0].reference, "{what}: told apart in receipts");
            }
            if status == JobStatus::Failed {
                let error = sent.into_result().unwrap_err().to_string();
                assert!(error.contains("first: ") && error.contains(class.as_str()), "{error}");
                assert!(!error.contains("13800138000"), "{error}");
            }
        }
    }
}

/// Both answer with the same class: what is left of the job.
#[tokio::test]
async fn when_everybody_fails() {
    for &kind in Kind::ALL {
        for &class in ErrorClass::ALL {
            let senders =
                ["first", "second"].map(|name| ScriptedSender::new(name, Channel::Sms).always(outcome(class)));
            let [first, second] = &senders;
            let notifier =
                builder(&clock()).audience(willing().await).sender(first.clone()).sender(second.clone()).build();
            let sent = notifier.send(notification(kind)).await.unwrap();
            let status = match class {
                // The values of a code are stored nowhere: it cannot wait.
                ErrorClass::Transient | ErrorClass::Account if kind == Kind::Code => JobStatus::Failed,
                ErrorClass::Transient | ErrorClass::Account => JobStatus::Waiting,
                ErrorClass::Unknown => JobStatus::Unknown,
                _ => JobStatus::Failed,
            };
            assert_eq!(sent.jobs[0].status, status, "{kind}, {class}");
        }
    }
}

/// The first may have it, the second certainly does not: nobody calls that a failure.
#[tokio::test]
async fn doubt_is_not_forgotten() {
    let first = ScriptedSender::new("first", Channel::Sms).always(outcome(ErrorClass::Unknown));
    let second = ScriptedSender::new("second", Channel::Sms).always(outcome(ErrorClass::Content));
    let notifier = builder(&clock()).sender(first).sender(second).build();
    let sent = notifier.send(notification(Kind::Code)).await.unwrap();
    assert_eq!(sent.jobs[0].status, JobStatus::Unknown);
    let receipt = DeliveryReceipt::delivered("first").reference(sent.jobs[0].attempts[0].reference.as_str());
    assert_eq!(notifier.receipt(receipt.clone()).await.unwrap(), Settled::Delivered(sent.jobs[0].id.clone()));
    assert_eq!(notifier.receipt(receipt).await.unwrap(), Settled::Repeated(sent.jobs[0].id.clone()));
    assert_eq!(notifier.job(&sent.jobs[0].id).await.unwrap().unwrap().status, JobStatus::Delivered);
}

#[tokio::test]
async fn a_receipt_settles_an_unknown_notice_and_no_number_gets_it_twice() {
    let clock = clock();
    let first = ScriptedSender::new("first", Channel::Sms).then(outcome(ErrorClass::Unknown));
    let second = ScriptedSender::new("second", Channel::Sms);
    let notifier = builder(&clock).sender(first.clone()).sender(second.clone()).build();
    let sent = notifier.send(notification(Kind::Notice)).await.unwrap();
    let (id, reference) = (sent.jobs[0].id.clone(), sent.jobs[0].attempts[0].reference.clone());
    assert_eq!(notifier.run_due(10).await.unwrap(), 0, "it waits for the receipt");
    let lost = DeliveryReceipt::failed("first", ErrorClass::Account, "NO_ROUTE").reference(reference);
    assert_eq!(notifier.receipt(lost).await.unwrap(), Settled::TriedElsewhere(id.clone()));
    assert_eq!(notifier.run_due(10).await.unwrap(), 1);
    assert_eq!(notifier.job(&id).await.unwrap().unwrap().status, JobStatus::Accepted);
    assert_eq!((first.seen().len(), second.seen().len()), (1, 1), "the one that lost it is not asked again");

    let first = ScriptedSender::new("first", Channel::Sms).then(outcome(ErrorClass::Unknown));
    let notifier = builder(&clock).sender(first.clone()).build();
    let id = notifier.send(notification(Kind::Notice)).await.unwrap().jobs.remove(0).id;
    clock.advance(Duration::from_secs(16 * 60));
    assert_eq!(notifier.run_due(10).await.unwrap(), 1);
    let job = notifier.job(&id).await.unwrap().unwrap();
    assert_eq!(job.status, JobStatus::Failed, "no receipt came: an operator decides");
    assert_eq!(first.seen().len(), 1);
    assert!(job.resendable);
    assert_eq!(notifier.resend(&id).await.unwrap().unwrap().status, JobStatus::Accepted);
    assert_eq!(first.seen().len(), 2);
}

#[tokio::test]
async fn weights_and_tiers() {
    let senders = ["a", "b", "c"].map(|name| ScriptedSender::new(name, Channel::Sms));
    let [a, b, c] = &senders;
    let notifier = builder(&clock())
        .route(Route::new(a.clone()).weight(3))
        .route(Route::new(b.clone()))
        .route(Route::new(c.clone()).tier(1))
        .build();
    for _ in 0..40 {
        assert!(notifier.send(order("order.paid")).await.unwrap().is_sent());
    }
    assert_eq!(senders.each_ref().map(|one| one.seen().len()), [30, 10, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_provider_whose_account_fails_is_left_alone_for_a_while() {
    let first = ScriptedSender::new("first", Channel::Sms).then(outcome(ErrorClass::Account));
    let second = ScriptedSender::new("second", Channel::Sms);
    let notifier = builder(&clock()).sender(first.clone()).sender(second.clone()).build();
    for _ in 0..3 {
        assert!(notifier.send(order("order.paid")).await.unwrap().is_sent());
    }
    assert_eq!((first.seen().len(), second.seen().len()), (1, 3));
    assert!(notifier.circuits()[0].open && !notifier.circuits()[1].open);
    notifier.health().await.unwrap();
    tokio::time::advance(Duration::from_secs(31)).await;
    assert!(notifier.send(order("order.paid")).await.unwrap().is_sent());
    assert_eq!((first.seen().len(), second.seen().len()), (2, 3));
}

/// Of two providers one fails three of ten calls: more than 99 of 100 messages are sent.
#[tokio::test]
async fn failures_of_one_provider_do_not_show() {
    let mut flaky = ScriptedSender::new("flaky", Channel::Sms);
    for number in 0..1500_u32 {
        let bad = number.wrapping_mul(2_654_435_761) % 10 < 3;
        flaky = flaky.then(if bad { outcome(ErrorClass::Transient) } else { Outcome::accepted(number.to_string()) });
    }
    let steady = ScriptedSender::new("steady", Channel::Sms);
    let notifier = builder(&clock()).route(Route::new(flaky)).route(Route::new(steady)).build();
    let mut sent = 0;
    for _ in 0..1000 {
        sent += usize::from(notifier.send(order("order.paid")).await.unwrap().is_sent());
    }
    assert!(sent > 990, "{sent} of 1000");
}

#[test]
fn consent_says_how_it_came_about() {
    let consent = Consent { at: std::time::UNIX_EPOCH, source: "form 3".to_owned() };
    assert_eq!(serde_json::to_string(&consent).unwrap(), r#"{"at":0,"source":"form 3"}"#);
}
