//! The scripts.

use std::sync::LazyLock;

use nebula_redis::Script;

macro_rules! scripts {
    ($($name:ident = $($file:literal)+;)*) => {$(
        pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(stringify!($name), concat!($(include_str!($file), "\n"),+)));
    )*};
}

scripts! {
    BEGIN = "begin.lua";
    RENEW = "renew.lua";
    FILL = "fill.lua";
    ABANDON = "abandon.lua";
    PUT = "put.lua";
    PUBLISH = "head.lua" "publish.lua";
    SINCE = "head.lua" "since.lua";
    VERSIONS = "head.lua" "versions.lua";
    PROMOTION = "head.lua" "promotion.lua";
    BLOOM_SINCE = "bloom_since.lua";
    BLOOM_INSERT = "bloom_bits.lua" "bloom_insert.lua";
    BLOOM_SET = "bloom_bits.lua" "bloom_set.lua";
    BLOOM_HOLD = "bloom_hold.lua";
    BLOOM_CREATE = "bloom_create.lua";
    BLOOM_BEGIN = "bloom_begin.lua";
    BLOOM_UPLOAD = "bloom_upload.lua";
    BLOOM_MERGE = "bloom_merge.lua";
    BLOOM_FINISH = "bloom_finish.lua";
}
