//! `#[cached]`, `#[cache_put]`, `#[cache_evict]`: what compiles and works, and what they say about mistakes.

#[test]
fn cache() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/cache/pass/*.rs");
    cases.compile_fail("tests/cache/fail/*.rs");
}
