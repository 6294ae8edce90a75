//! The engine: shared by the example and by the tests of this crate.
#![allow(dead_code, reason = "each program uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a check fails by panicking")]

pub(crate) mod campaign;
pub(crate) mod check;
pub(crate) mod client;
pub(crate) mod clock;
pub(crate) mod controls;
pub(crate) mod faults;
pub(crate) mod fleet;
pub(crate) mod held;
pub(crate) mod history;
pub(crate) mod report;
pub(crate) mod servers;
pub(crate) mod site;
pub(crate) mod store;
