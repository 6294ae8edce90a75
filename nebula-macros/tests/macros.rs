//! The macros as users write them: what works is compiled and run with this test, what does not is given to the compiler for
//! what it says about it.
#![allow(clippy::all, clippy::pedantic, clippy::nursery, unreachable_pub, reason = "written as users may write it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod cache {
    #[path = "pass/functions.rs"]
    mod functions;
    #[path = "pass/methods.rs"]
    mod methods;
}

mod listener {
    #[path = "pass/functions.rs"]
    mod functions;
    #[path = "pass/methods.rs"]
    mod methods;
}

mod lock {
    #[path = "pass/functions.rs"]
    mod functions;
    #[path = "pass/methods.rs"]
    mod methods;
    #[path = "pass/options.rs"]
    mod options;
}

mod requires {
    #[path = "pass/everywhere.rs"]
    pub(crate) mod everywhere;
}

use nebula_test_support::refused;

// Where the attributes look for it.
use crate::requires::everywhere::PERMISSIONS;

#[test]
fn cache_macros_say_what_is_wrong() {
    refused("tests/cache/fail", &["nebula_cache"]);
}

#[test]
fn delay_queue_listener_says_what_is_wrong() {
    refused("tests/listener/fail", &["nebula_delay_queue", "serde"]);
}

#[test]
fn distributed_lock_says_what_is_wrong() {
    refused("tests/lock/fail", &["nebula_lock"]);
}

#[test]
fn rule_facts_say_what_is_wrong() {
    refused("tests/facts/fail", &["nebula_rule_engine"]);
}

#[test]
fn requirements_say_what_is_wrong() {
    refused("tests/requires/fail", &["nebula_auth"]);
}
