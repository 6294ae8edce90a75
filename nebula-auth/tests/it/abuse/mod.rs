//! A hundred and fifteen ways to abuse an application's authentication, and the tokens and codes of the standards.
//!
//! `cases.json` has them all. Those that are tokens are presented as they are; those that are descriptions name the test
//! that does what they describe. None is left out: the tables below and the file must be the same set.

mod described;
mod extra;
mod standards;
mod tokens;

use serde_json::Value;

fn cases() -> Value {
    serde_json::from_str(include_str!("cases.json")).unwrap()
}

fn abuse_cases() -> Vec<Value> {
    cases()["abuse_cases"].as_array().unwrap().clone()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}"))
}
