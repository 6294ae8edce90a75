//! `#[distributed_lock]`: what compiles and works, and what it says about mistakes.

#[test]
fn distributed_lock() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/lock/pass/*.rs");
    cases.compile_fail("tests/lock/fail/*.rs");
}
