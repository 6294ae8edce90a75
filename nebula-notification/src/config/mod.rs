//! Configuration: the section `nebula.notification`.

mod connect;
mod sections;

use serde::Deserialize;

use self::sections::{EmailSection, MiniProgramSection, PushSection, RedisSection, SmsSection, WebhookSection};
use crate::{
    error::Result,
    notifier::{Notifier, NotifierBuilder},
    template::TemplateStore,
};

/// The section `nebula.notification` of an application's configuration. Unknown keys are refused.
///
/// | key | default | meaning |
/// |---|---|---|
/// | `sms.provider` | the only one that is configured | who is asked first: `aliyun` or `tencent`; others that are configured take over |
/// | `sms.aliyun.access-key-id`, `.access-key-secret` | required | the key pair (feature `aliyun`) |
/// | `sms.aliyun.security-token` | none | for temporary key pairs |
/// | `sms.aliyun.sign-name` | required | the signature |
/// | `sms.aliyun.template-code` | none | from logical names of templates to the provider's; what a template says itself wins |
/// | `sms.aliyun.endpoint` | `https://dysmsapi.aliyuncs.com` | the service's address |
/// | `sms.tencent.secret-id`, `.secret-key`, `.token` | required; no token | the key pair (feature `tencent`) |
/// | `sms.tencent.sms-sdk-app-id`, `.sign-name` | required | the SMS application and the signature |
/// | `sms.tencent.template-code` | none | as above; values in the order of their names |
/// | `sms.tencent.region`, `.endpoint` | `ap-guangzhou`, `https://sms.tencentcloudapi.com` | the service's region and address |
/// | `sms.batch-wait` | none | how long notices and marketing wait to be sent together, such as `20ms` |
/// | `sms.rate-limit.enabled` | `true` if the section is there | whether these limits hold |
/// | `sms.rate-limit.per-phone`, `.per-ip` | 5, 10 | messages in 24 hours; an IPv6 address counts by its /64 |
/// | `sms.rate-limit.per-minute` | none | messages to a number in a minute |
/// | `email.host`, `.port` | required, 587 | the mail server (feature `email`) |
/// | `email.username`, `.password` | none | who logs in |
/// | `email.from` | the username | the sender's mailbox |
/// | `email.security` | `tls` on port 465, else `start-tls` | also `none`, for a server on this machine |
/// | `email.connections` | 4 | connections at a time |
/// | `email.dkim.domain`, `.selector`, `.private-key` | none | signs every mail; the key is PEM, of RSA or Ed25519 |
/// | `email.unsubscribe.url`, `.key` | none | puts links into marketing by which it ends; the key has at least 32 bytes |
/// | `push.provider` | the only one that is configured | `jpush` or `umeng` |
/// | `push.jpush.app-key`, `.master-secret`, `.endpoint` | required; the usual one | JPush (feature `jpush`) |
/// | `push.umeng.app-key`, `.app-master-secret`, `.platform`, `.endpoint` | required, `android`; the usual one | Umeng (feature `umeng`) |
/// | `mini-program.app-id`, `.secret`, `.endpoint`, `.pages` | required; the usual one, none | WeChat subscribe messages (feature `wechat`); `pages` go from names of templates to pages |
/// | `webhook.endpoints.<name>.url`, `.secret` | required | end points by name (feature `webhook`); a secret has at least 24 bytes |
/// | `webhook.allow-private` | `false` | whether end points may be on this machine or in private networks |
/// | `redis.url` | none | counts limits on this server, for all processes (feature `redis`) |
/// | `redis.key-prefix` | `nebula:notify` | what all keys begin with |
///
/// ```
/// use nebula_notification::{MemoryTemplates, NotificationConfig};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let config: NotificationConfig = serde_json::from_str(r#"{ "sms": { "rate-limit": { "per-phone": 3 } } }"#)?;
/// let notifier = config.connect(MemoryTemplates::new()).await?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct NotificationConfig {
    sms: Option<SmsSection>,
    email: Option<EmailSection>,
    push: Option<PushSection>,
    mini_program: Option<MiniProgramSection>,
    webhook: Option<WebhookSection>,
    redis: Option<RedisSection>,
}

impl NotificationConfig {
    /// A notifier with these senders and limits, and these templates. Records and wishes are kept in this process.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigInvalid`](crate::ErrorKind::ConfigInvalid) for contradictions and for a provider that is not compiled in,
    /// [`ErrorKind::Unavailable`](crate::ErrorKind::Unavailable) if Redis cannot be reached.
    pub async fn connect(&self, templates: impl TemplateStore) -> Result<Notifier> {
        Ok(self.builder(templates).await?.build())
    }

    /// The same, with more to be said: records, wishes, a retry queue.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn builder(&self, templates: impl TemplateStore) -> Result<NotifierBuilder> {
        connect::builder(self, Notifier::builder(templates)).await
    }
}
