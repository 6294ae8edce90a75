//! The notifier: keys, wishes, limits, schedules, other processes, bad input.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use nebula_notification::{
    Address, Attachment, AudienceStore, Channel, Charge, Delivery, EmailAddress, Error, ErrorClass, ErrorKind, Fanout,
    JobStatus, Kind, LimitRule, LimitScope, LimitStore, Limits, MemoryAudience, MemoryLimits, MemoryRecords,
    Notification, NotificationSender, Outcome, Params, Phone, Preferences, PushTarget, QuietHours, Recipient,
    RecordQuery, RecordStore, Result, RetryQueue, Ruling, testing::ScriptedSender,
};
use parking_lot::Mutex;
use support::{NOW, builder, clock, order, phone};

fn sms(name: &str) -> ScriptedSender {
    ScriptedSender::new(name, Channel::Sms)
}

#[tokio::test]
async fn a_key_sends_once_also_when_many_come_at_once() {
    let sender = sms("one");
    let notifier = builder(&clock()).sender(sender.clone()).build();
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let notifier = notifier.clone();
        all.spawn(async move { notifier.send(order("order.paid").idempotency_key("order:1")).await.unwrap() });
    }
    let all = all.join_all().await;
    assert_eq!(all.iter().filter(|one| !one.duplicate).count(), 1);
    assert!(all.iter().all(|one| one.notification == all[0].notification));
    assert_eq!(sender.seen().len(), 1);
}

#[tokio::test]
async fn every_channel_and_recipient_has_a_job_of_its_own() {
    let (phones, mails) = (
        sms("one").then(Outcome::refused(ErrorClass::Recipient, "x", "")),
        ScriptedSender::new("mail", Channel::Email),
    );
    let notifier = builder(&clock()).sender(phones.clone()).sender(mails.clone()).build();
    let ada = Recipient::user("ada").with(phone()).with(EmailAddress::new("ada@example.org").unwrap());
    let bob = Recipient::user("bob").with(EmailAddress::new("bob@example.org").unwrap());
    let both = order("order.paid").to(ada.clone()).to(bob);
    let sent = notifier.send(both).await.unwrap();
    assert_eq!(sent.jobs.len(), 4, "a telephone, both of Ada's, and Bob's mailbox");
    assert_eq!(sent.failed().count(), 1, "one channel that fails leaves the others alone");
    assert_eq!(mails.seen().len(), 2);

    let failing = sms("one").always(Outcome::refused(ErrorClass::Recipient, "x", ""));
    let notifier = builder(&clock()).sender(failing).sender(mails.clone()).build();
    let turn = Notification::new("order.paid").to(ada).param("order", "T-2").fanout(Fanout::InTurn);
    let sent = notifier.send(turn.channels([Channel::Sms, Channel::Email])).await.unwrap();
    assert_eq!((sent.jobs.len(), sent.jobs[0].channel, sent.jobs[0].status), (1, Channel::Email, JobStatus::Accepted));
    assert_eq!(mails.seen().len(), 3);
    let all = notifier.find(&RecordQuery::new()).await.unwrap();
    assert_eq!(all.len(), 2, "the failed one is on record as well");
}

#[tokio::test]
async fn wishes_are_kept() {
    let (audience, sender) = (MemoryAudience::new(), sms("one"));
    let notifier = builder(&clock()).audience(audience.clone()).sender(sender.clone()).build();
    let key = Address::from(phone()).key();
    let status = async |name: &str| {
        let code = Notification::new("login").to(phone()).param("code", "1");
        let notification = if name == "login" { code } else { order(name) };
        let job = notifier.send(notification).await.unwrap().jobs.remove(0);
        (job.status, job.reason)
    };
    let suppressed = |reason: &str| (JobStatus::Suppressed, Some(reason.to_owned()));
    assert_eq!(status("sale").await, suppressed("no consent"));
    let consenting = Preferences::new().consent(Channel::Sms, "form", UNIX_EPOCH);
    audience.set(&key, Some(&consenting)).await.unwrap();
    assert_eq!(status("sale").await.0, JobStatus::Accepted);
    let unsubscribed = consenting.unsubscribe(Channel::Sms);
    audience.set(&key, Some(&unsubscribed)).await.unwrap();
    assert_eq!(status("sale").await, suppressed("unsubscribed"));
    assert_eq!(status("order.paid").await, suppressed("unsubscribed"));
    assert_eq!(status("login").await.0, JobStatus::Accepted, "codes still come");
    audience.set(&key, Some(&Preferences::new().blocked())).await.unwrap();
    for name in ["sale", "order.paid", "login", "alarm"] {
        assert_eq!(status(name).await, suppressed("blocked"));
    }
    assert_eq!(sender.seen().len(), 2);
}

#[tokio::test]
async fn quiet_hours_wait_and_wishes_are_asked_again() {
    // It is 16:00 in Shanghai.
    let (clock, audience, sender) = (clock(), MemoryAudience::new(), sms("one"));
    let hours = QuietHours::new("15:30", "08:00", "Asia/Shanghai").unwrap();
    let notifier =
        builder(&clock).audience(audience.clone()).sender(sender.clone()).quiet_hours(Kind::Notice, hours).build();
    let morning = UNIX_EPOCH + Duration::from_secs(NOW + 16 * 3600);
    for (name, status) in [("order.paid", JobStatus::Waiting), ("alarm", JobStatus::Accepted)] {
        let job = notifier.send(order(name)).await.unwrap().jobs.remove(0);
        assert_eq!(job.status, status);
        if status == JobStatus::Waiting {
            assert_eq!((job.due, job.reason.as_deref()), (morning, Some("quiet hours")));
        }
    }
    let second = notifier.send(order("order.paid")).await.unwrap().jobs.remove(0);
    clock.advance(Duration::from_secs(16 * 3600 - 1));
    assert_eq!(notifier.run_due(10).await.unwrap(), 0);
    assert!(notifier.cancel(&second.id).await.unwrap());
    assert!(!notifier.cancel(&second.id).await.unwrap());
    clock.advance(Duration::from_secs(1));
    assert_eq!(notifier.run_due(10).await.unwrap(), 1);
    assert_eq!(sender.seen().len(), 2);
    assert_eq!(notifier.job(&second.id).await.unwrap().unwrap().status, JobStatus::Cancelled);
}

#[test]
fn quiet_hours_over_midnight_and_changes_of_the_clock() {
    let time = |text: &str| SystemTime::from(text.parse::<jiff::Timestamp>().unwrap());
    let nights = QuietHours::new("22:00", "08:00", "Asia/Shanghai").unwrap();
    assert_eq!(nights.end(time("2026-11-20T15:00:00Z")), Some(time("2026-11-21T00:00:00Z")), "23:00");
    assert_eq!(nights.end(time("2026-11-20T23:59:59Z")), Some(time("2026-11-21T00:00:00Z")), "07:59:59");
    assert_eq!(nights.end(time("2026-11-21T00:00:00Z")), None, "08:00");
    assert_eq!(nights.end(time("2026-11-20T14:00:00Z")), Some(time("2026-11-21T00:00:00Z")), "22:00");
    let berlin = QuietHours::new("01:00", "02:30", "Europe/Berlin").unwrap();
    assert_eq!(berlin.end(time("2026-03-29T00:30:00Z")), Some(time("2026-03-29T01:30:00Z")), "02:30 does not exist");
}

#[tokio::test]
async fn limits_are_exact_when_a_thousand_send_at_once() {
    a_thousand_send_at_once(MemoryLimits::new()).await;
}

#[tokio::test]
async fn limits_are_exact_when_a_thousand_send_at_once_on_redis() {
    use nebula_notification::{RedisLimits, nebula_redis::RedisConfig};
    use nebula_test_support::{redis_url, unique};

    let connection = RedisConfig::new(redis_url().await).connect().await.unwrap();
    a_thousand_send_at_once(RedisLimits::new(connection).with_namespace(unique("notify"))).await;
}

async fn a_thousand_send_at_once(store: impl LimitStore) {
    let sender = sms("one");
    let limits = Limits::new(store).with_rule(LimitRule::per_phone(5)).with_rule(LimitRule::per_ip(10));
    let notifier = builder(&clock()).sender(sender.clone()).limits(limits).build();
    let mut all = tokio::task::JoinSet::new();
    for number in 0..1000_u32 {
        let notifier = notifier.clone();
        // Three numbers, two addresses of one household.
        let number_of = Phone::parse(&format!("+861380013800{}", number % 3), None).unwrap();
        let origin = if number % 2 == 0 { "2001:db8:1:2::1" } else { "2001:db8:1:2:ffff::9" };
        let one = Notification::new("order.paid").to(number_of).param("order", "T").origin(origin.parse().unwrap());
        all.spawn(async move { notifier.send(one).await.unwrap().is_sent() });
    }
    assert_eq!(all.join_all().await.into_iter().filter(|sent| *sent).count(), 10, "the household's");
    assert_eq!(sender.seen().len(), 10);
    let elsewhere = order("order.paid").origin("2001:db8:1:3::1".parse().unwrap());
    let job = notifier.send(elsewhere).await.unwrap().jobs.remove(0);
    let taken = sender.seen().iter().filter(|one| one.address == phone().into()).count();
    assert_eq!(job.status.is_sent(), taken < 6, "{:?}", job.reason);
}

/// Counters that cannot be reached.
#[derive(Debug)]
struct Away;

#[async_trait]
impl LimitStore for Away {
    async fn charge(&self, _: &[Charge]) -> Result<Ruling> {
        Err(Error::new(ErrorKind::Unavailable, "away"))
    }

    async fn count(&self, _: &str, _: Duration) -> Result<u64> {
        Err(Error::new(ErrorKind::Unavailable, "away"))
    }
}

#[tokio::test]
async fn the_kind_decides_while_counters_are_away() {
    let audience = MemoryAudience::new();
    let wishes = Preferences::new().consent(Channel::Sms, "form", UNIX_EPOCH);
    audience.set(&Address::from(phone()).key(), Some(&wishes)).await.unwrap();
    let limits = Limits::new(Away).with_rule(LimitRule::new("all", LimitScope::Tenant, 1000, Duration::from_secs(60)));
    let notifier = builder(&clock()).sender(sms("one")).audience(audience).limits(limits).build();
    let code = Notification::new("login").to(phone()).param("code", "1");
    for (notification, sent) in
        [(order("order.paid"), true), (order("alarm"), true), (order("sale"), false), (code, false)]
    {
        assert_eq!(notifier.send(notification).await.unwrap().is_sent(), sent);
    }
}

#[tokio::test]
async fn transient_faults_are_tried_again_later_until_the_rounds_are_over() {
    let clock = clock();
    let busy = sms("one").always(Outcome::refused(ErrorClass::Transient, "busy", ""));
    let notifier = builder(&clock)
        .sender(busy.clone())
        .rounds(3, Duration::from_secs(30))
        .breaker(1000, Duration::from_secs(1))
        .build();
    let id = notifier.send(order("order.paid")).await.unwrap().jobs.remove(0).id;
    let mut waited = Vec::new();
    loop {
        let job = notifier.job(&id).await.unwrap().unwrap();
        if job.status != JobStatus::Waiting {
            assert_eq!(job.status, JobStatus::Failed);
            break;
        }
        let pause = job.due.duration_since(notifier.now()).unwrap();
        waited.push(pause.as_secs());
        clock.advance(pause);
        assert_eq!(notifier.run_due(10).await.unwrap(), 1);
    }
    assert_eq!(waited, [30, 60]);
    assert_eq!(busy.seen().len(), 6, "three rounds of two");
    // What expires before the next round is not kept waiting for it.
    let brief = order("order.paid").expires_after(Duration::from_secs(20));
    assert_eq!(notifier.send(brief).await.unwrap().jobs[0].status, JobStatus::Failed);
}

/// Remembers what it is told.
#[derive(Clone, Debug, Default)]
struct Reminders(Arc<Mutex<Vec<(String, SystemTime)>>>);

#[async_trait]
impl RetryQueue for Reminders {
    async fn later(&self, job: &str, at: SystemTime) -> Result<()> {
        self.0.lock().push((job.to_owned(), at));
        Ok(())
    }
}

#[tokio::test]
async fn schedules_run_through_the_queue_or_the_pump_once() {
    let (clock, reminders, sender) = (clock(), Reminders::default(), sms("one"));
    let notifier = builder(&clock).sender(sender.clone()).retry_queue(reminders.clone()).build();
    let at = notifier.now() + Duration::from_secs(3600);
    let job = notifier.send(order("order.paid").at(at)).await.unwrap().jobs.remove(0);
    assert_eq!(job.status, JobStatus::Waiting);
    assert_eq!(*reminders.0.lock(), [(job.id.clone(), at)]);
    assert!(notifier.run(&job.id).await.unwrap().is_none(), "too early");
    clock.advance(Duration::from_secs(3600));
    let (one, other, pump) = tokio::join!(notifier.run(&job.id), notifier.run(&job.id), notifier.run_due(10));
    let ran = [one.unwrap(), other.unwrap()].iter().filter(|ran| ran.is_some()).count();
    assert!(ran <= 1 && pump.unwrap() <= 1);
    assert_eq!(sender.seen().len(), 1);

    let id = notifier.enqueue(order("order.paid")).await.unwrap().jobs.remove(0).id;
    assert_eq!(sender.seen().len(), 1, "it only is stored");
    let pump = notifier.start(Duration::from_millis(5));
    nebula_test_support::eventually(Duration::from_secs(60), async || {
        let job = notifier.job(&id).await.unwrap().unwrap();
        if job.status == JobStatus::Accepted { Ok(()) } else { Err(format!("{job:?}")) }
    })
    .await;
    drop(pump);
    let expiring = order("order.paid").at(at + Duration::from_secs(10)).expires_after(Duration::from_secs(60));
    let late = notifier.send(expiring).await.unwrap().jobs.remove(0).id;
    clock.advance(Duration::from_secs(600));
    notifier.run_due(10).await.unwrap();
    assert_eq!(notifier.job(&late).await.unwrap().unwrap().status, JobStatus::Expired);
}

/// Never answers: whoever asks it dies before.
#[derive(Debug)]
struct Hangs(Channel);

#[async_trait]
impl NotificationSender for Hangs {
    fn provider(&self) -> &str {
        "hangs"
    }

    fn channel(&self) -> Channel {
        self.0
    }

    async fn send(&self, _: &Delivery) -> Outcome {
        std::future::pending().await
    }
}

#[tokio::test]
async fn what_a_dead_process_was_sending_is_unknown() {
    for (name, status, asked) in [("order.paid", JobStatus::Unknown, 0), ("alarm", JobStatus::Accepted, 1)] {
        let (clock, records) = (clock(), MemoryRecords::new());
        let dies = builder(&clock).records(records.clone()).sender(Hangs(Channel::Sms)).build();
        let sending = tokio::spawn({
            let dies = dies.clone();
            async move { dies.send(order(name)).await }
        });
        let id = nebula_test_support::eventually(Duration::from_secs(60), async || {
            let jobs = records.find(&RecordQuery::new()).await.unwrap();
            jobs.first().filter(|job| !job.attempts.is_empty()).map(|job| job.id.clone()).ok_or("not begun")
        })
        .await;
        // The caller goes away: the work goes on, and nobody else takes it before its lease ends.
        sending.abort();
        let sender = sms("other");
        let lives = builder(&clock).records(records.clone()).sender(sender.clone()).build();
        assert_eq!(lives.run_due(10).await.unwrap(), 0);
        clock.advance(Duration::from_secs(3600));
        assert_eq!(lives.run_due(10).await.unwrap(), 1);
        let job = lives.job(&id).await.unwrap().unwrap();
        assert_eq!((job.status, sender.seen().len()), (status, asked), "{name}");
        assert_eq!(job.attempts[0].class, Some(ErrorClass::Unknown));
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_hangs_is_unknown_after_its_time() {
    let other = sms("other");
    let notifier = builder(&clock())
        .sender(Hangs(Channel::Sms))
        .sender(other.clone())
        .timeouts(Duration::from_secs(3), Duration::from_secs(10))
        .build();
    assert_eq!(notifier.send(order("order.paid")).await.unwrap().jobs[0].status, JobStatus::Unknown);
    assert!(other.seen().is_empty());
    assert!(notifier.send(order("alarm")).await.unwrap().is_sent());
    assert_eq!(other.seen().len(), 1);
}

#[tokio::test]
async fn bad_input_sends_nothing() {
    let sender = sms("one");
    let notifier = builder(&clock()).sender(sender.clone()).build();
    let past = notifier.now() - Duration::from_secs(1);
    let far = notifier.now() + Duration::from_secs(400 * 24 * 3600);
    let to_phone = || Notification::new("order.paid").to(phone());
    let empty_tags = Recipient::address_only(PushTarget::Tags(Vec::new()));
    let big = Attachment::new("big.bin", "application/octet-stream", vec![0; 13 << 20]).unwrap();
    let cases = [
        (Notification::new("order.paid").param("order", "T"), ErrorKind::InvalidNotification),
        (order("unknown"), ErrorKind::UnknownTemplate),
        (to_phone(), ErrorKind::InvalidParams),
        (to_phone().param("order", 7), ErrorKind::InvalidParams),
        (to_phone().param("order", "T").param("other", "x"), ErrorKind::InvalidParams),
        (to_phone().param("order", "x".repeat(21)), ErrorKind::InvalidParams),
        (to_phone().param("order", "T\r\nBcc: eve"), ErrorKind::InvalidParams),
        (order("order.paid").at(past), ErrorKind::InvalidNotification),
        (order("order.paid").at(far), ErrorKind::InvalidNotification),
        (order("order.paid").expires_at(past), ErrorKind::InvalidNotification),
        (order("order.paid").idempotency_key(""), ErrorKind::InvalidNotification),
        (order("order.paid").tenant("a\nb"), ErrorKind::InvalidNotification),
        (order("order.paid").to(empty_tags), ErrorKind::InvalidRecipient),
        (order("order.paid").to(Recipient::default()), ErrorKind::InvalidRecipient),
        (order("order.paid").channels([Channel::Email]), ErrorKind::InvalidRecipient),
        (order("order.paid").attach(big.clone()).attach(big), ErrorKind::TooLarge),
        (
            Notification::new("login").to(phone()).param("code", "1").at(far - Duration::from_secs(35 * 24 * 3600)),
            ErrorKind::InvalidNotification,
        ),
    ];
    for (number, (notification, kind)) in cases.into_iter().enumerate() {
        let error = notifier.send(notification).await.unwrap_err();
        assert_eq!(error.kind(), kind, "case {number}: {error}");
    }
    let many = (0..10_001).map(|_| Recipient::from(phone()));
    let error = notifier.send(order("order.paid").to_all(many)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidNotification);
    assert!(sender.seen().is_empty());
    for bad in ["12345", "", "+86", "+8612345678901234567", "+861380013800a", "abc", "+86138\n00138000"] {
        assert!(Phone::parse(bad, None).is_err(), "{bad:?}");
    }
    for bad in ["a", "a@b", "a b@c.de", "a@c.de\r\nBcc: x@y.z", "<a@c.de>", "a@c.de,b@c.de", "@c.de", "a@@c.de"] {
        assert!(EmailAddress::new(bad).is_err(), "{bad:?}");
    }
    assert!(Attachment::new("a\r\nb", "text/plain", "x").is_err());
    assert!(Attachment::inline("<logo>", "image/png", "x").is_err());
}

#[tokio::test]
async fn html_is_escaped_and_languages_fall_back() {
    let notifier = builder(&clock()).sender(sms("one")).build();
    let params = Params::new().with("order", "<script>&");
    let shown = notifier.preview("order.paid", "zh-Hant-TW", &params).await.unwrap();
    assert_eq!(shown.text.as_deref(), Some("订单 <script>& 已支付。"));
    assert_eq!(shown.html.as_deref(), Some("<p>Order <b>&lt;script&gt;&amp;</b></p>"));
    let english = notifier.preview("order.paid", "fr", &params).await.unwrap();
    assert_eq!(english.text.as_deref(), Some("Order <script>& is paid."));
}

#[tokio::test]
async fn codes_and_addresses_are_in_no_record_view_and_no_debug_output() {
    let (records, sender) = (MemoryRecords::new(), sms("one"));
    let notifier = builder(&clock()).records(records.clone()).sender(sender.clone()).build();
    let code = Notification::new("login").to(phone()).param("code", "918273");
    let shown = format!("{code:?}");
    let sent = notifier.send(code).await.unwrap();
    let stored = serde_json::to_string(&records.get(&sent.jobs[0].id).await.unwrap().unwrap()).unwrap();
    assert!(!stored.contains("918273"), "{stored}");
    let view = serde_json::to_string(&notifier.find(&RecordQuery::new()).await.unwrap()).unwrap();
    for text in [shown, view, format!("{sent:?}"), format!("{:?}", sender.seen()), format!("{notifier:?}")] {
        assert!(!text.contains("918273") && !text.contains("13800138000"), "{text}");
    }
    assert!(notifier.resend(&sent.jobs[0].id).await.unwrap().is_none(), "nobody has its values");
}

#[tokio::test]
async fn after_the_end_nothing_is_taken() {
    let notifier = builder(&clock()).sender(sms("one")).build();
    notifier.send(order("order.paid")).await.unwrap();
    assert!(notifier.shutdown(Duration::from_secs(60)).await);
    assert_eq!(notifier.send(order("order.paid")).await.unwrap_err().kind(), ErrorKind::Closed);
}
