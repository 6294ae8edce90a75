//! One section per provider. All are always understood, whatever is compiled in.
#![allow(dead_code, reason = "understood, whatever is compiled in")]

use std::{collections::BTreeMap, time::Duration};

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de::Error as _};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct SmsSection {
    pub(super) provider: Option<SmsProviderName>,
    pub(super) aliyun: Option<AliyunSection>,
    pub(super) tencent: Option<TencentSection>,
    pub(super) rate_limit: Option<RateLimitSection>,
    #[serde(deserialize_with = "duration")]
    pub(super) batch_wait: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SmsProviderName {
    Aliyun,
    Tencent,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct AliyunSection {
    pub(super) access_key_id: String,
    pub(super) access_key_secret: SecretString,
    #[serde(default)]
    pub(super) security_token: Option<SecretString>,
    pub(super) sign_name: String,
    #[serde(default)]
    pub(super) template_code: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) endpoint: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct TencentSection {
    pub(super) secret_id: String,
    pub(super) secret_key: SecretString,
    #[serde(default)]
    pub(super) token: Option<SecretString>,
    pub(super) sms_sdk_app_id: String,
    pub(super) sign_name: String,
    #[serde(default)]
    pub(super) template_code: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) region: Option<String>,
    #[serde(default)]
    pub(super) endpoint: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RateLimitSection {
    pub(super) enabled: bool,
    pub(super) per_phone: u64,
    pub(super) per_ip: u64,
    pub(super) per_minute: Option<u64>,
}

impl Default for RateLimitSection {
    fn default() -> Self {
        Self { enabled: true, per_phone: 5, per_ip: 10, per_minute: None }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct EmailSection {
    pub(super) host: String,
    #[serde(default)]
    pub(super) port: Option<u16>,
    #[serde(default)]
    pub(super) username: Option<String>,
    #[serde(default)]
    pub(super) password: Option<SecretString>,
    #[serde(default)]
    pub(super) from: Option<String>,
    #[serde(default)]
    pub(super) security: Option<Security>,
    #[serde(default)]
    pub(super) connections: Option<usize>,
    #[serde(default)]
    pub(super) dkim: Option<DkimSection>,
    #[serde(default)]
    pub(super) unsubscribe: Option<UnsubscribeSection>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct DkimSection {
    pub(super) domain: String,
    pub(super) selector: String,
    pub(super) private_key: SecretString,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct UnsubscribeSection {
    pub(super) url: String,
    pub(super) key: SecretString,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct MiniProgramSection {
    pub(super) app_id: String,
    pub(super) secret: SecretString,
    #[serde(default)]
    pub(super) endpoint: Option<String>,
    /// From logical names of templates to pages of the mini-program.
    #[serde(default)]
    pub(super) pages: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct WebhookSection {
    #[serde(default)]
    pub(super) allow_private: bool,
    pub(super) endpoints: BTreeMap<String, EndpointSection>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct EndpointSection {
    pub(super) url: String,
    pub(super) secret: SecretString,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Security {
    #[serde(alias = "starttls")]
    StartTls,
    Tls,
    None,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct PushSection {
    pub(super) provider: Option<PushProviderName>,
    pub(super) jpush: Option<JpushSection>,
    pub(super) umeng: Option<UmengSection>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum PushProviderName {
    Jpush,
    Umeng,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct JpushSection {
    pub(super) app_key: String,
    pub(super) master_secret: SecretString,
    #[serde(default)]
    pub(super) endpoint: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct UmengSection {
    pub(super) app_key: String,
    pub(super) app_master_secret: SecretString,
    #[serde(default)]
    pub(super) platform: Platform,
    #[serde(default)]
    pub(super) endpoint: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Platform {
    #[default]
    Android,
    Ios,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct RedisSection {
    pub(super) url: SecretString,
    #[serde(default)]
    pub(super) key_prefix: Option<String>,
}

/// Text such as `20ms`, or milliseconds.
fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Millis(u64),
        Text(String),
    }

    match Option::deserialize(from)? {
        None => Ok(None),
        Some(Written::Millis(millis)) => Ok(Some(Duration::from_millis(millis))),
        Some(Written::Text(text)) => humantime::parse_duration(&text).map(Some).map_err(D::Error::custom),
    }
}
