//! Verifying tokens and checking permissions: `cargo bench -p nebula-versus --bench auth`.

#![allow(clippy::unwrap_used, reason = "a benchmark that fails has no result")]

mod permissions;
mod tokens;
mod uncached;

use nebula_test_support::Effort;

#[tokio::main]
async fn main() {
    let effort = Effort::from_args();
    permissions::run(effort).await;
    tokens::run(effort).await;
    uncached::run(effort).await;
}
