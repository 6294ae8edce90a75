//! What the tests share.
#![allow(dead_code, reason = "not every test needs all of it")]

use nebula_notification::{
    Content, Kind, ManualClock, MemoryTemplates, Notification, NotificationTemplate, Notifier, NotifierBuilder,
    ParamSpec, Phone, ProviderTemplate,
};

/// 2026-11-20, 16:00 in Shanghai.
pub(crate) const NOW: u64 = 1_795_161_600;

pub(crate) fn phone() -> Phone {
    Phone::parse("+8613800138000", None).unwrap()
}

pub(crate) fn clock() -> ManualClock {
    ManualClock::at_unix(NOW)
}

pub(crate) fn templates() -> MemoryTemplates {
    let content = |text: &str| {
        Content::new()
            .title("Order {{ order }}")
            .text(text)
            .html("<p>Order <b>{{ order }}</b></p>")
            .provider("aliyun", ProviderTemplate::renamed("SMS_123456", [("orderNo", "order")]))
            .provider("tencent", ProviderTemplate::positional("1110", ["order"]))
    };
    let order = |name: &str, kind: Kind| {
        NotificationTemplate::new(name, kind)
            .param("order", ParamSpec::text().with_max(20))
            .content("en", content("Order {{ order }} is paid."))
            .content("zh", content("订单 {{ order }} 已支付。"))
    };
    let code = Content::new()
        .text("Your code is {{ code }}.")
        .provider("aliyun", ProviderTemplate::named("SMS_LOGIN"))
        .provider("tencent", ProviderTemplate::positional("2220", ["code"]));
    let login = NotificationTemplate::new("login", Kind::Code).param("code", ParamSpec::text()).content("en", code);
    MemoryTemplates::new()
        .with(order("order.paid", Kind::Notice))
        .and_then(|all| all.with(order("sale", Kind::Marketing)))
        .and_then(|all| all.with(order("alarm", Kind::Alarm)))
        .and_then(|all| all.with(login))
        .unwrap()
}

/// A notifier that tries again without pauses.
pub(crate) fn builder(clock: &ManualClock) -> NotifierBuilder {
    use std::time::Duration;

    Notifier::builder(templates()).clock(clock.clone()).tries(2, Duration::from_millis(1))
}

pub(crate) fn order(name: &str) -> Notification {
    Notification::new(name).to(phone()).param("order", "T-1")
}
