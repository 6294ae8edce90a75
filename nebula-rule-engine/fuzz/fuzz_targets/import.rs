#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| nebula_rule_engine::testing::fuzz::import(data));
