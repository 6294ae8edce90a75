//! The scripts, each in a file of its own.

use std::sync::LazyLock;

use nebula_redis::Script;

macro_rules! scripts {
    ($($name:ident = $label:literal: $($file:literal)+;)*) => {$(
        pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new($label, concat!($(include_str!($file)),+)));
    )*};
}

scripts! {
    ACQUIRE = "lock-acquire": "acquire.lua";
    BULK = "lock-bulk": "bulk.lua";
    ACQUIRE_AT = "lock-acquire-at": "acquire_at.lua";
    SETTLE = "lock-settle": "prelude.lua" "settle.lua";
    TRY_SETTLE = "lock-try-settle": "prelude.lua" "try_settle.lua";
    RENEW = "lock-renew": "renew.lua";
    RELEASE = "lock-release": "release.lua";
    FAIR_ACQUIRE = "lock-fair-acquire": "prelude.lua" "fair.lua" "fair_acquire.lua";
    FAIR_RELEASE = "lock-fair-release": "prelude.lua" "fair.lua" "fair_release.lua";
    READ_ACQUIRE = "lock-read-acquire": "prelude.lua" "read_acquire.lua";
    READ_RENEW = "lock-read-renew": "prelude.lua" "read_renew.lua";
    READ_RELEASE = "lock-read-release": "prelude.lua" "read_release.lua";
    WRITE_ACQUIRE = "lock-write-acquire": "prelude.lua" "write_acquire.lua";
    WRITE_RELEASE = "lock-write-release": "prelude.lua" "write_release.lua";
    INSPECT = "lock-inspect": "prelude.lua" "inspect.lua";
}
