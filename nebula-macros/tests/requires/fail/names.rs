#![allow(unused, reason = "only the messages of the macro are of interest")]

use nebula_auth::access::AccessError;
use nebula_auth::{requires_permission, requires_role};

nebula_auth::permissions! {
    order: [Read = "order:read"],
}

#[requires_permission("order:raed")]
async fn misspelt() -> Result<(), AccessError> {
    Ok(())
}

#[requires_permission("order:*")]
async fn wildcard() -> Result<(), AccessError> {
    Ok(())
}

#[requires_permission("Order Read")]
async fn malformed() -> Result<(), AccessError> {
    Ok(())
}

#[requires_permission]
async fn nothing() -> Result<(), AccessError> {
    Ok(())
}

#[requires_permission(any())]
async fn any_of_nothing() -> Result<(), AccessError> {
    Ok(())
}

#[requires_permission(order = "order:read")]
async fn unknown_argument() -> Result<(), AccessError> {
    Ok(())
}

#[requires_permission(5)]
async fn number() -> Result<(), AccessError> {
    Ok(())
}

#[requires_role]
async fn no_role() -> Result<(), AccessError> {
    Ok(())
}

#[requires_role("Admin")]
async fn no_role_name() -> Result<(), AccessError> {
    Ok(())
}

#[requires_role(order::Read)]
async fn permission_as_role() -> Result<(), AccessError> {
    Ok(())
}

fn main() {}
