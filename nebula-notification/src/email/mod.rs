//! Mail over SMTP.

mod build;
mod connection;
mod dkim;
mod outcome;
mod sender;

pub use self::dkim::DkimKey;
pub use self::sender::{EmailSender, EmailSenderBuilder, SmtpSecurity};
