//! From sections to senders.

#[cfg(any(feature = "aliyun", feature = "tencent"))]
use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    NotificationConfig,
    sections::{
        AliyunSection, EmailSection, JpushSection, MiniProgramSection, PushProviderName, PushSection, RateLimitSection,
        RedisSection, SmsProviderName, SmsSection, TencentSection, UmengSection, WebhookSection,
    },
};
use crate::{
    error::{Error, ErrorKind, Result},
    limit::{LimitRule, Limits, MemoryLimits},
    notifier::NotifierBuilder,
};

pub(super) async fn builder(config: &NotificationConfig, mut builder: NotifierBuilder) -> Result<NotifierBuilder> {
    if let Some(sms) = &config.sms {
        builder = self::sms(sms, builder)?;
        if let Some(rules) = sms.rate_limit.as_ref().filter(|rules| rules.enabled) {
            builder = builder.limits(limits(rules, config.redis.as_ref()).await?);
        }
    }
    if let Some(email) = &config.email {
        builder = self::email(email, builder)?;
    }
    if let Some(push) = &config.push {
        builder = self::push(push, builder)?;
    }
    if let Some(mini_program) = &config.mini_program {
        builder = self::wechat(mini_program, builder)?;
    }
    if let Some(webhook) = &config.webhook {
        builder = self::webhook(webhook, builder)?;
    }
    Ok(builder)
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::ConfigInvalid, text.into())
}

/// For a section whose provider is not compiled in.
#[allow(dead_code, reason = "of no use when everything is compiled in")]
fn missing(key: &str, feature: &str) -> Error {
    let features = [
        ("aliyun", cfg!(feature = "aliyun")),
        ("tencent", cfg!(feature = "tencent")),
        ("email", cfg!(feature = "email")),
        ("jpush", cfg!(feature = "jpush")),
        ("umeng", cfg!(feature = "umeng")),
        ("redis", cfg!(feature = "redis")),
        ("wechat", cfg!(feature = "wechat")),
        ("webhook", cfg!(feature = "webhook")),
    ];
    let there: Vec<&str> = features.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
    let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
    invalid(format!("`{key}` needs the feature `{feature}` of nebula-notification; compiled in: {there}"))
}

/// The chosen one first, then the others.
fn order<P: Copy + PartialEq>(key: &str, chosen: Option<P>, configured: Vec<P>) -> Result<Vec<P>> {
    match chosen {
        None if configured.len() > 1 => {
            Err(invalid(format!("several are configured: set `{key}` to choose the first")))
        }
        None => Ok(configured),
        Some(chosen) if configured.contains(&chosen) => {
            Ok([chosen].into_iter().chain(configured.into_iter().filter(|one| *one != chosen)).collect())
        }
        Some(_) => Err(invalid(format!("`{key}` names a provider without a section"))),
    }
}

fn sms(section: &SmsSection, mut builder: NotifierBuilder) -> Result<NotifierBuilder> {
    let aliyun = section.aliyun.as_ref().map(|_| SmsProviderName::Aliyun);
    let tencent = section.tencent.as_ref().map(|_| SmsProviderName::Tencent);
    let configured = aliyun.into_iter().chain(tencent).collect();
    for provider in order("sms.provider", section.provider, configured)? {
        builder = match (provider, &section.aliyun, &section.tencent) {
            (SmsProviderName::Aliyun, Some(aliyun), _) => self::aliyun(aliyun, section.batch_wait, builder)?,
            (SmsProviderName::Tencent, _, Some(tencent)) => self::tencent(tencent, section.batch_wait, builder)?,
            _ => builder,
        };
    }
    Ok(builder)
}

#[cfg(any(feature = "aliyun", feature = "tencent"))]
fn text_sender(
    provider: impl crate::SmsProvider,
    codes: &BTreeMap<String, String>,
    wait: Option<Duration>,
) -> crate::SmsSender {
    let mut sender = crate::SmsSender::new(provider);
    for (name, code) in codes {
        sender = sender.with_template(name, crate::ProviderTemplate::named(code));
    }
    match wait {
        Some(wait) => sender.with_batches(wait),
        None => sender,
    }
}

#[cfg(feature = "aliyun")]
fn aliyun(section: &AliyunSection, wait: Option<Duration>, builder: NotifierBuilder) -> Result<NotifierBuilder> {
    use crate::{AliyunCredentials, AliyunSms};

    let mut credentials = AliyunCredentials::new(&section.access_key_id, section.access_key_secret.clone());
    if let Some(token) = &section.security_token {
        credentials = credentials.with_security_token(token.clone());
    }
    let mut provider = AliyunSms::new(credentials, &section.sign_name)?;
    if let Some(endpoint) = &section.endpoint {
        provider = provider.with_endpoint(endpoint)?;
    }
    Ok(builder.sender(text_sender(provider, &section.template_code, wait)))
}

#[cfg(not(feature = "aliyun"))]
fn aliyun(_: &AliyunSection, _: Option<Duration>, _: NotifierBuilder) -> Result<NotifierBuilder> {
    Err(missing("sms.aliyun", "aliyun"))
}

#[cfg(feature = "tencent")]
fn tencent(section: &TencentSection, wait: Option<Duration>, builder: NotifierBuilder) -> Result<NotifierBuilder> {
    use crate::{TencentCredentials, TencentSms};

    let mut credentials = TencentCredentials::new(&section.secret_id, section.secret_key.clone());
    if let Some(token) = &section.token {
        credentials = credentials.with_token(token.clone());
    }
    let mut provider = TencentSms::new(credentials, &section.sms_sdk_app_id, &section.sign_name)?;
    if let Some(endpoint) = &section.endpoint {
        provider = provider.with_endpoint(endpoint)?;
    }
    if let Some(region) = &section.region {
        provider = provider.with_region(region);
    }
    Ok(builder.sender(text_sender(provider, &section.template_code, wait)))
}

#[cfg(not(feature = "tencent"))]
fn tencent(_: &TencentSection, _: Option<Duration>, _: NotifierBuilder) -> Result<NotifierBuilder> {
    Err(missing("sms.tencent", "tencent"))
}

#[cfg(feature = "email")]
fn email(section: &EmailSection, builder: NotifierBuilder) -> Result<NotifierBuilder> {
    use super::sections::Security;
    use crate::{EmailSender, SmtpSecurity};

    let from = section.from.as_ref().or(section.username.as_ref());
    let from = from.ok_or_else(|| invalid("`email.from` is missing, and there is no `email.username`"))?;
    let port = section.port.unwrap_or(587);
    let security = match section.security {
        Some(Security::Tls) => SmtpSecurity::Tls,
        Some(Security::StartTls) => SmtpSecurity::StartTls,
        Some(Security::None) => SmtpSecurity::None,
        None if port == 465 => SmtpSecurity::Tls,
        None => SmtpSecurity::StartTls,
    };
    let mut sender = EmailSender::builder(&section.host, from).port(port).security(security);
    match (&section.username, &section.password) {
        (Some(user), Some(password)) => sender = sender.credentials(user, password.clone()),
        (None, Some(_)) => return Err(invalid("`email.password` without `email.username`")),
        _ => {}
    }
    if let Some(connections) = section.connections {
        sender = sender.connections(connections);
    }
    if let Some(dkim) = &section.dkim {
        sender = sender.dkim(crate::DkimKey::new(&dkim.domain, &dkim.selector, dkim.private_key.clone())?);
    }
    if let Some(links) = &section.unsubscribe {
        sender = sender.unsubscribe(crate::UnsubscribeLinks::new(&links.url, links.key.clone())?);
    }
    Ok(builder.sender(sender.build()?))
}

#[cfg(not(feature = "email"))]
fn email(_: &EmailSection, _: NotifierBuilder) -> Result<NotifierBuilder> {
    Err(missing("email", "email"))
}

fn push(section: &PushSection, mut builder: NotifierBuilder) -> Result<NotifierBuilder> {
    let jpush = section.jpush.as_ref().map(|_| PushProviderName::Jpush);
    let umeng = section.umeng.as_ref().map(|_| PushProviderName::Umeng);
    let configured = jpush.into_iter().chain(umeng).collect();
    for provider in order("push.provider", section.provider, configured)? {
        builder = match (provider, &section.jpush, &section.umeng) {
            (PushProviderName::Jpush, Some(jpush), _) => self::jpush(jpush, builder)?,
            (PushProviderName::Umeng, _, Some(umeng)) => self::umeng(umeng, builder)?,
            _ => builder,
        };
    }
    Ok(builder)
}

#[cfg(feature = "jpush")]
fn jpush(section: &JpushSection, builder: NotifierBuilder) -> Result<NotifierBuilder> {
    use crate::{JpushProvider, PushSender};

    let mut provider = JpushProvider::new(&section.app_key, section.master_secret.clone())?;
    if let Some(endpoint) = &section.endpoint {
        provider = provider.with_endpoint(endpoint)?;
    }
    Ok(builder.sender(PushSender::new(provider)))
}

#[cfg(not(feature = "jpush"))]
fn jpush(_: &JpushSection, _: NotifierBuilder) -> Result<NotifierBuilder> {
    Err(missing("push.jpush", "jpush"))
}

#[cfg(feature = "umeng")]
fn umeng(section: &UmengSection, builder: NotifierBuilder) -> Result<NotifierBuilder> {
    use super::sections::Platform;
    use crate::{PushSender, UmengPlatform, UmengProvider};

    let platform = match section.platform {
        Platform::Android => UmengPlatform::Android,
        Platform::Ios => UmengPlatform::Ios,
    };
    let mut provider = UmengProvider::new(platform, &section.app_key, section.app_master_secret.clone())?;
    if let Some(endpoint) = &section.endpoint {
        provider = provider.with_endpoint(endpoint)?;
    }
    Ok(builder.sender(PushSender::new(provider)))
}

#[cfg(not(feature = "umeng"))]
fn umeng(_: &UmengSection, _: NotifierBuilder) -> Result<NotifierBuilder> {
    Err(missing("push.umeng", "umeng"))
}

#[cfg(feature = "wechat")]
fn wechat(section: &MiniProgramSection, builder: NotifierBuilder) -> Result<NotifierBuilder> {
    let mut sender = crate::WechatSender::new(&section.app_id, section.secret.clone())?;
    if let Some(endpoint) = &section.endpoint {
        sender = sender.with_endpoint(endpoint)?;
    }
    Ok(builder.sender(section.pages.iter().fold(sender, |sender, (template, page)| sender.with_page(template, page))))
}

#[cfg(not(feature = "wechat"))]
fn wechat(_: &MiniProgramSection, _: NotifierBuilder) -> Result<NotifierBuilder> {
    Err(missing("mini-program", "wechat"))
}

#[cfg(feature = "webhook")]
fn webhook(section: &WebhookSection, builder: NotifierBuilder) -> Result<NotifierBuilder> {
    let mut sender = crate::WebhookSender::new()?;
    if section.allow_private {
        sender = sender.with_private_addresses()?;
    }
    for (name, endpoint) in &section.endpoints {
        sender = sender.with_endpoint(name, &endpoint.url, endpoint.secret.clone())?;
    }
    Ok(builder.sender(sender))
}

#[cfg(not(feature = "webhook"))]
fn webhook(_: &WebhookSection, _: NotifierBuilder) -> Result<NotifierBuilder> {
    Err(missing("webhook", "webhook"))
}

async fn limits(section: &RateLimitSection, redis: Option<&RedisSection>) -> Result<Limits> {
    let mut limits = match redis {
        None => Limits::new(MemoryLimits::new()),
        Some(redis) => on_redis(redis).await?,
    };
    limits = limits.with_rule(LimitRule::per_phone(section.per_phone)).with_rule(LimitRule::per_ip(section.per_ip));
    if let Some(count) = section.per_minute {
        limits = limits.with_rule(LimitRule::per_minute(count));
    }
    Ok(limits)
}

#[cfg(feature = "redis")]
async fn on_redis(section: &RedisSection) -> Result<Limits> {
    use secrecy::ExposeSecret;

    let config = nebula_redis::RedisConfig::new(section.url.expose_secret());
    let connection = config.connect().await.map_err(|error| crate::shared::unavailable("limits", error))?;
    let limits = crate::RedisLimits::new(connection);
    Ok(Limits::new(match &section.key_prefix {
        Some(prefix) => limits.with_namespace(prefix.as_str()),
        None => limits,
    }))
}

#[cfg(not(feature = "redis"))]
async fn on_redis(_: &RedisSection) -> Result<Limits> {
    Err(missing("redis", "redis"))
}
