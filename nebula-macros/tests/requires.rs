//! `#[requires_permission]`, `#[requires_role]` and `#[requires_mfa]`: what compiles, and what they say about mistakes.

#[test]
fn requires() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/requires/pass/*.rs");
    cases.compile_fail("tests/requires/fail/*.rs");
}
