#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "admin")]
mod admin;
mod attachment;
mod audience;
mod clock;
mod code;
mod config;
#[cfg(feature = "development")]
mod development;
#[allow(dead_code, reason = "of use to some features only")]
mod digest;
#[cfg(feature = "email")]
mod email;
mod error;
#[cfg(feature = "http")]
#[cfg_attr(
    not(all(feature = "aliyun", feature = "tencent", feature = "umeng", feature = "webhook")),
    allow(dead_code, unused_imports, reason = "of use to a provider only")
)]
mod http;
mod inbox;
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
mod sealer;
mod sender;
#[cfg(feature = "redis")]
mod shared;
mod sms;
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
mod sql;
mod telemetry;
mod template;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
mod unsubscribe;
#[cfg(feature = "axum")]
mod web;
#[cfg(feature = "webhook")]
mod webhook;
#[cfg(feature = "wechat")]
mod wechat;

/// Connections and their configuration.
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use nebula_redis;
pub use secrecy;
/// Pools and their options.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))))]
pub use sqlx;

#[cfg(feature = "admin")]
#[cfg_attr(docsrs, doc(cfg(feature = "admin")))]
pub use crate::admin::{Admin, AdminAction, AdminGuard};
#[cfg(feature = "development")]
#[cfg_attr(docsrs, doc(cfg(feature = "development")))]
pub use crate::development::{DevelopmentOutbox, DevelopmentSender, ShownMessage};
#[cfg(feature = "email")]
#[cfg_attr(docsrs, doc(cfg(feature = "email")))]
pub use crate::email::{DkimKey, EmailSender, EmailSenderBuilder, SmtpSecurity};
#[cfg(feature = "jpush")]
#[cfg_attr(docsrs, doc(cfg(feature = "jpush")))]
pub use crate::push::{JpushPeriod, JpushProvider, JpushSchedule};
#[cfg(feature = "umeng")]
#[cfg_attr(docsrs, doc(cfg(feature = "umeng")))]
pub use crate::push::{UmengAudience, UmengPlatform, UmengPolicy, UmengProvider, UmengTask, umeng_sign};
#[cfg(feature = "aliyun")]
#[cfg_attr(docsrs, doc(cfg(feature = "aliyun")))]
pub use crate::sms::{AliyunCredentials, AliyunSms, acs3};
#[cfg(feature = "tencent")]
#[cfg_attr(docsrs, doc(cfg(feature = "tencent")))]
pub use crate::sms::{TencentCredentials, TencentSms, tc3};
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "sqlite", feature = "postgres", feature = "mysql"))))]
pub use crate::sql::{NotificationDatabase, SqlStore};
#[cfg(feature = "webhook")]
#[cfg_attr(docsrs, doc(cfg(feature = "webhook")))]
pub use crate::webhook::{WebhookSender, WebhookVerifier};
#[cfg(feature = "wechat")]
#[cfg_attr(docsrs, doc(cfg(feature = "wechat")))]
pub use crate::wechat::WechatSender;
pub use crate::{
    attachment::{Attachment, MAX_ATTACHMENT_BYTES},
    audience::{AudienceStore, Consent, MemoryAudience, Preferences, QuietHours, change_wishes},
    clock::{Clock, ManualClock, SystemClock, TokioClock},
    code::{
        CodeDigest, CodeRequest, CodeStore, Guess, Issued, MemoryCodes, NewCode, PumpGuard, PutCode, Verdict,
        VerificationCodes,
    },
    config::NotificationConfig,
    error::{Error, ErrorKind, Result},
    inbox::{Inbox, InboxMessage, InboxQuery, InboxSelection, InboxState, InboxStore, MemoryInbox},
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
    sealer::{SealedPlace, Sealer},
    sender::{Delivery, NotificationSender},
    sms::{ReceiptReader, SmsMessage, SmsProvider, SmsSender},
    template::{
        CachedTemplates, Content, MemoryTemplates, NotificationTemplate, ParamSpec, ParamType, ProviderParams,
        ProviderTemplate, PutTemplate, Rendered, StoredTemplate, TemplateStore,
    },
    unsubscribe::UnsubscribeLinks,
};
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use crate::{code::RedisCodes, limit::RedisLimits};
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub use crate::{inbox::InboxRoutes, sms::ReceiptRoutes, unsubscribe::UnsubscribeRoutes};
