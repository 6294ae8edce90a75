//! What must not compile, as examples that are compiled by the tests of the documentation.

/// A permission that is not declared.
///
/// ```compile_fail,E0080
/// nebula_auth::permissions! { order: [Read = "order:read"] }
///
/// #[nebula_auth::requires_permission("order:raed")]
/// async fn read() -> Result<(), nebula_auth::access::AccessError> {
///     Ok(())
/// }
/// # fn main() {}
/// ```
///
/// The same, spelt right:
///
/// ```
/// nebula_auth::permissions! { order: [Read = "order:read"] }
///
/// #[nebula_auth::requires_permission("order:read")]
/// async fn read() -> Result<(), nebula_auth::access::AccessError> {
///     Ok(())
/// }
/// # fn main() {}
/// ```
#[allow(dead_code, reason = "carries the examples")]
fn p02_misspelt() {}

/// A pattern where a permission is required.
///
/// ```compile_fail
/// nebula_auth::permissions! { order: [Read = "order:read"] }
///
/// #[nebula_auth::requires_permission("order:*")]
/// async fn read() -> Result<(), nebula_auth::access::AccessError> {
///     Ok(())
/// }
/// # fn main() {}
/// ```
///
/// And where one is declared:
///
/// ```compile_fail
/// nebula_auth::permissions! { order: [All = "order:*"] }
/// # fn main() {}
/// ```
#[allow(dead_code, reason = "carries the examples")]
fn p03_wildcard() {}
