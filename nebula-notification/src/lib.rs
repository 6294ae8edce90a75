#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod attachment;
mod audience;
mod clock;
mod code;
mod config;
#[cfg(feature = "email")]
mod email;
mod error;
#[cfg(feature = "http")]
#[cfg_attr(
    not(any(feature = "aliyun", feature = "tencent", feature = "umeng")),
    allow(dead_code, reason = "of use to a provider only")
)]
mod http;
mod kind;
mod limit;
mod notification;
mod notifier;
mod outcome;
mod params;
mod phone;
mod push;
mod random;
mod recipient;
mod record;
mod sender;
#[cfg(feature = "redis")]
mod shared;
mod sms;
mod telemetry;
mod template;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;

/// Connections and their configuration.
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use nebula_redis;
pub use secrecy;

#[cfg(feature = "email")]
#[cfg_attr(docsrs, doc(cfg(feature = "email")))]
pub use crate::email::{EmailSender, EmailSenderBuilder, SmtpSecurity};
#[cfg(feature = "jpush")]
#[cfg_attr(docsrs, doc(cfg(feature = "jpush")))]
pub use crate::push::{JpushProvider, JpushSchedule};
#[cfg(feature = "umeng")]
#[cfg_attr(docsrs, doc(cfg(feature = "umeng")))]
pub use crate::push::{UmengPlatform, UmengProvider, umeng_sign};
#[cfg(feature = "aliyun")]
#[cfg_attr(docsrs, doc(cfg(feature = "aliyun")))]
pub use crate::sms::{AliyunCredentials, AliyunSms, acs3};
#[cfg(feature = "tencent")]
#[cfg_attr(docsrs, doc(cfg(feature = "tencent")))]
pub use crate::sms::{TencentCredentials, TencentSms, tc3};
pub use crate::{
    attachment::{Attachment, MAX_ATTACHMENT_BYTES},
    audience::{AudienceStore, Consent, MemoryAudience, Preferences, QuietHours},
    clock::{Clock, ManualClock, SystemClock, TokioClock},
    code::{
        CodeDigest, CodeRequest, CodeStore, Guess, Issued, MemoryCodes, NewCode, PumpGuard, PutCode, Verdict,
        VerificationCodes,
    },
    config::NotificationConfig,
    error::{Error, ErrorKind, Result},
    kind::{Channel, Kind},
    limit::{Charge, LimitRule, LimitScope, LimitStore, Limits, MemoryLimits, Ruling},
    notification::{Fanout, MAX_AHEAD, MAX_RECIPIENTS, Notification},
    notifier::{AllFailed, Circuit, Notifier, NotifierBuilder, Pump, RetryQueue, Route, Submission},
    outcome::{Accepted, Consequence, Doubt, ErrorClass, Mark, Outcome, Refusal},
    params::{Params, Value},
    phone::Phone,
    push::{PushMessage, PushProvider, PushSender},
    recipient::{Address, EmailAddress, PushTarget, Recipient},
    record::{
        Attempt, AttemptState, DeliveryReceipt, Inserted, Job, JobStatus, JobView, MemoryRecords, Price, RecordQuery,
        RecordStore, Settled, Statistic,
    },
    sender::{Delivery, NotificationSender},
    sms::{SmsMessage, SmsProvider, SmsSender},
    template::{
        Content, MemoryTemplates, NotificationTemplate, ParamSpec, ParamType, ProviderParams, ProviderTemplate,
        PutTemplate, Rendered, StoredTemplate, TemplateStore,
    },
};
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use crate::{code::RedisCodes, limit::RedisLimits};
