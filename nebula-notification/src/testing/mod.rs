//! Fakes of providers, and the conformance suites for stores of your own.
//!
//! The fakes are servers on this machine that check a request as the real ones do: they recompute its signature, refuse a nonce
//! that was used before, a date that is too far off and values of a wrong type, and answer in the provider's own words. They can also
//! [fail](Fault) as networks do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    missing_docs,
    reason = "these functions are tests and fakes: they fail by panicking"
)]

#[cfg(feature = "aliyun")]
mod aliyun;
pub mod audience;
mod checks;
pub mod codes;
pub mod inboxes;
pub mod limits;
pub mod records;
mod script;
pub mod sealers;
mod server;
pub mod templates;
#[cfg(feature = "tencent")]
mod tencent;

#[cfg(feature = "aliyun")]
pub use self::aliyun::FakeAliyun;
#[cfg(feature = "umeng")]
pub use self::checks::umeng_refuses;
#[cfg(feature = "tencent")]
pub use self::tencent::FakeTencent;
pub use self::{
    checks::{jpush_refuses, wechat_refuses},
    script::ScriptedSender,
    server::{FakeReply, FakeRequest, FakeServer, Fault},
};
