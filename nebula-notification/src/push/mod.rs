//! Pushes to apps.

#[cfg(feature = "jpush")]
mod jpush;
mod provider;
#[cfg(feature = "umeng")]
mod umeng;

#[cfg(feature = "jpush")]
pub use self::jpush::{JpushProvider, JpushSchedule};
pub use self::provider::{PushMessage, PushProvider, PushSender};
#[cfg(feature = "umeng")]
pub use self::umeng::{UmengPlatform, UmengProvider, umeng_sign};
