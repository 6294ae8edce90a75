//! `#[delay_queue_listener]`: what compiles and works, and what it says about mistakes.

#[test]
fn delay_queue_listener() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/listener/pass/*.rs");
    cases.compile_fail("tests/listener/fail/*.rs");
}
