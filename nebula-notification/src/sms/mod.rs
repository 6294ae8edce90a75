//! Text messages.

#[cfg(feature = "aliyun")]
mod aliyun;
#[cfg(any(feature = "aliyun", feature = "tencent"))]
mod batch;
mod gather;
mod provider;
mod receipts;
mod sender;
#[cfg(feature = "tencent")]
mod tencent;
#[cfg(any(feature = "aliyun", feature = "tencent"))]
mod times;

#[cfg(feature = "aliyun")]
pub use self::aliyun::{AliyunCredentials, AliyunSms, acs3};
#[cfg(feature = "axum")]
pub use self::receipts::ReceiptRoutes;
#[cfg(feature = "tencent")]
pub use self::tencent::{TencentCredentials, TencentSms, tc3};
pub use self::{
    provider::{SmsMessage, SmsProvider},
    receipts::ReceiptReader,
    sender::SmsSender,
};
