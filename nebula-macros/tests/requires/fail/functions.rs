#![allow(unused, reason = "only the messages of the macro are of interest")]

use nebula_auth::access::AccessError;
use nebula_auth::{requires_mfa, requires_permission};

nebula_auth::permissions! {
    order: [Read = "order:read"],
}

#[requires_permission("order:read")]
fn not_async() -> Result<(), AccessError> {
    Ok(())
}

#[requires_permission("order:read")]
async fn no_result() {}

#[requires_permission("order:read")]
async fn wrong_result() -> Option<u32> {
    None
}

#[requires_permission("order:read")]
async fn wrong_error() -> Result<(), std::fmt::Error> {
    Ok(())
}

#[requires_mfa]
async fn no_time() -> Result<(), AccessError> {
    Ok(())
}

#[requires_mfa(within = 5)]
async fn no_unit() -> Result<(), AccessError> {
    Ok(())
}

#[requires_mfa(within = "soon")]
async fn no_duration() -> Result<(), AccessError> {
    Ok(())
}

fn main() {}
