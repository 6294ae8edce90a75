//! The configuration: the sample of the plan, contradictions, secrets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod support;

use figment::{
    Figment,
    providers::{Format, Yaml},
};
use nebula_notification::{
    Channel, ErrorKind, JobStatus, NotificationConfig,
    testing::{FakeAliyun, FakeTencent, Fault},
};
use support::{order, templates};

const SAMPLE: &str = r#"
nebula:
  notification:
    sms:
      provider: aliyun  # aliyun, tencent
      aliyun:
        access-key-id: "your-access-key"
        access-key-secret: "your-secret"
        sign-name: "票务平台"
        template-code:
          login: "SMS_123456"
          register: "SMS_123457"
      rate-limit:
        enabled: true
        per-phone: 5  # 每个手机号每天最多5条
        per-ip: 10    # 每个IP每天最多10条
    email:
      host: "smtp.gmail.com"
      port: 587
      username: "your-email@gmail.com"
      password: "your-password"
    push:
      provider: jpush  # jpush, umeng
      jpush:
        app-key: "your-app-key"
        master-secret: "your-secret"
"#;

fn read(text: &str) -> Result<NotificationConfig, String> {
    Figment::from(Yaml::string(text)).extract_inner("nebula.notification").map_err(|error| error.to_string())
}

fn section(text: &str) -> Result<NotificationConfig, String> {
    Figment::from(Yaml::string(text)).extract().map_err(|error| error.to_string())
}

#[tokio::test]
async fn the_sample_of_the_plan() {
    let config = read(SAMPLE).unwrap();
    let notifier = config.connect(templates()).await.unwrap();
    let senders: Vec<_> = notifier.circuits().into_iter().map(|one| (one.provider, one.channel)).collect();
    let expected = [("aliyun", Channel::Sms), ("smtp", Channel::Email), ("jpush", Channel::Push)];
    assert_eq!(senders, expected.map(|(name, channel)| (name.to_owned(), channel)));
    let shown = format!("{config:?} {notifier:?}");
    assert!(!shown.contains("your-secret") && !shown.contains("your-password"), "{shown}");
}

#[tokio::test]
async fn the_second_provider_takes_over_and_limits_hold() {
    let clock = nebula_notification::SystemClock;
    let aliyun = FakeAliyun::start("id", "secret", clock).await;
    let tencent = FakeTencent::start("id", "secret", clock).await;
    aliyun.server().fail([Fault::Answer(400, r#"{"Code":"isv.OUT_OF_SERVICE"}"#.to_owned())]);
    let config = section(&format!(
        "
        sms:
          provider: aliyun
          tencent: {{ secret-id: id, secret-key: secret, sms-sdk-app-id: '14', sign-name: x, endpoint: '{}' }}
          aliyun: {{ access-key-id: id, access-key-secret: secret, sign-name: x, endpoint: '{}' }}
          rate-limit: {{ per-phone: 1 }}
        redis: {{ url: '{}', key-prefix: '{}' }}",
        tencent.server().url(),
        aliyun.server().url(),
        nebula_test_support::redis_url().await,
        nebula_test_support::unique("notify"),
    ));
    let notifier = config.unwrap().connect(templates()).await.unwrap();
    assert!(notifier.send(order("order.paid")).await.unwrap().is_sent());
    assert_eq!((aliyun.sent().len(), tencent.sent().len()), (0, 1));
    assert_eq!(notifier.send(order("order.paid")).await.unwrap().jobs[0].status, JobStatus::Suppressed);
}

#[tokio::test]
async fn contradictions() {
    let aliyun = "aliyun: { access-key-id: a, access-key-secret: b, sign-name: c }";
    let tencent = "tencent: { secret-id: a, secret-key: b, sms-sdk-app-id: '1', sign-name: c }";
    let bad = [
        format!("sms: {{ provider: tencent, {aliyun} }}"),
        format!("sms: {{ {aliyun}, {tencent} }}"),
        "email: { host: h }".to_owned(),
        "email: { host: h, from: 'a@example.org', password: p }".to_owned(),
        "email: { host: mail.example.org, username: 'a@example.org', password: p, security: none }".to_owned(),
        "push: { provider: umeng }".to_owned(),
    ];
    for text in bad {
        let error = section(&text).unwrap().connect(templates()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid, "{text}: {error}");
    }
    for text in ["sms: { batch-wait: 20ms }", "sms: { batch-wait: 20 }", "sms: {}"] {
        section(text).unwrap().connect(templates()).await.unwrap();
    }
    for text in [
        "sms: { provider: other }",
        "sms: { aliyun: { sign: x } }",
        "unknown: 1",
        "sms: { batch-wait: soon }",
        "sms: { batch-wait: -1 }",
    ] {
        assert!(section(text).is_err(), "{text}");
    }
}

#[tokio::test]
async fn what_came_later() {
    let config = section(
        r#"{ "email": { "host": "localhost", "from": "tickets@example.org",
                        "unsubscribe": { "url": "https://tickets.example/unsubscribe", "key": "at least 32 bytes of a secret key" } },
             "mini-program": { "app-id": "wx1", "secret": "hidden", "pages": { "order.paid": "pages/order/index" } },
             "webhook": { "endpoints": { "erp": { "url": "https://erp.example/hooks", "secret": "hidden, of at least 24 bytes" } } } }"#,
    );
    let config = config.unwrap();
    assert!(!format!("{config:?}").contains("hidden"));
    let notifier = config.connect(templates()).await.unwrap();
    let providers: Vec<String> = notifier.circuits().into_iter().map(|one| one.provider).collect();
    assert_eq!(providers, ["smtp", "wechat", "webhook"]);
    for (text, about) in [
        (
            r#"{ "webhook": { "endpoints": { "meta": { "url": "http://169.254.169.254/", "secret": "of at least 24 bytes...." } } } }"#,
            "private",
        ),
        (
            r#"{ "email": { "host": "localhost", "from": "a@b.org", "dkim": { "domain": "b.org", "selector": "s", "private-key": "x" } } }"#,
            "dkim",
        ),
    ] {
        let error = section(text).unwrap().connect(templates()).await.unwrap_err();
        assert!(error.to_string().contains(about), "{error}");
    }
}
