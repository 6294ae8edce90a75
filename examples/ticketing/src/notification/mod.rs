//! What buyers are told: in their inbox on the site, and by mail.
//!
//! A change and the message that speaks of it commit together ([`Notice`](crate::outbox::Notice), in the outbox). A listener hands it to
//! nebula-notification, which keeps it in tables of its own, tries again while a mail server is away, and sends nothing
//! twice. Nothing that sells waits for any of this.

mod config;
mod http;
mod sealer;
mod service;
mod storage;
mod templates;

pub(crate) use self::storage::FILE;
pub use self::{
    config::NoticeConfig,
    http::{development, routes},
    service::{Notices, Parts},
};
