//! Text messages.

#[cfg(feature = "aliyun")]
mod aliyun;
mod provider;
mod sender;
#[cfg(feature = "tencent")]
mod tencent;
#[cfg(any(feature = "aliyun", feature = "tencent"))]
mod times;

#[cfg(feature = "aliyun")]
pub use self::aliyun::{AliyunCredentials, AliyunSms, acs3};
#[cfg(feature = "tencent")]
pub use self::tencent::{TencentCredentials, TencentSms, tc3};
pub use self::{
    provider::{SmsMessage, SmsProvider},
    sender::SmsSender,
};
