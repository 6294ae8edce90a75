//! Pushes to apps.

#[cfg(feature = "jpush")]
mod jpush;
#[cfg(feature = "jpush")]
mod jpush_schedule;
mod provider;
#[cfg(feature = "umeng")]
mod umeng;
#[cfg(feature = "umeng")]
mod umeng_cast;

pub use self::provider::{PushMessage, PushProvider, PushSender};
#[cfg(feature = "jpush")]
pub use self::{
    jpush::JpushProvider,
    jpush_schedule::{JpushPeriod, JpushSchedule},
};
#[cfg(feature = "umeng")]
pub use self::{
    umeng::{UmengPlatform, UmengProvider, umeng_sign},
    umeng_cast::{UmengAudience, UmengPolicy, UmengTask},
};
