//! Mail over SMTP.

mod build;
mod connection;
mod outcome;
mod sender;

pub use self::sender::{EmailSender, EmailSenderBuilder, SmtpSecurity};
