//! A shop in a process of its own and a headless browser to visit it with. Both end with the test, however it ends.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, unreachable_pub, reason = "parts of a test")]

mod browser;
pub mod camera;
mod shop;

use std::time::Duration;

pub use self::{
    browser::Browser,
    shop::{PASSWORD, Shop},
};

/// How long anything may take. Generous: the machine may be busy with other tests, and nothing waits without need.
pub const PATIENCE: Duration = Duration::from_secs(90);
