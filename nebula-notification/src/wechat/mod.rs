//! Subscribe messages of WeChat mini-programs.

mod sender;
mod token;
mod values;

pub use self::sender::WechatSender;
