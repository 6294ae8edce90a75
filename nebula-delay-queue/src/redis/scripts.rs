//! The Lua scripts, each behind the common prelude.

use std::sync::LazyLock;

use nebula_redis::Script;

macro_rules! script {
    ($name:ident, $file:literal) => {
        pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(
                concat!("nebula-delay-queue/", $file),
                concat!(include_str!("lua/prelude.lua"), include_str!(concat!("lua/", $file, ".lua"))),
            )
        });
    };
}

script!(SCHEDULE, "schedule");
script!(CANCEL, "cancel");
script!(RESCHEDULE, "reschedule");
script!(CLAIM, "claim");
script!(ACK, "ack");
script!(RETRY, "retry");
script!(EXTEND, "extend");
script!(BURY, "bury");
script!(DEAD, "dead");
script!(REPLAY, "replay");
script!(PURGE, "purge");
script!(STATS, "stats");
script!(PEEK, "peek");
