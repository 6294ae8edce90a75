//! The signed-in user as a handler's argument.

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};

use super::Role;
use crate::{
    app::App,
    ids::UserId,
    problem::{Code, Problem, Result},
};

/// A signed-in user of any role.
#[derive(Clone, Copy, Debug)]
pub struct Buyer {
    /// The account.
    pub id: UserId,
    /// What it may do, as the database says now.
    pub role: Role,
}

/// A signed-in administrator.
#[derive(Clone, Copy, Debug)]
pub struct Admin {
    /// The account.
    pub id: UserId,
}

impl FromRequestParts<App> for Buyer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let missing = || Problem::new(Code::Unauthenticated, "Send the access token as `Authorization: Bearer …`.");
        let value = parts.headers.get(header::AUTHORIZATION).ok_or_else(missing)?;
        let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(missing)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(missing());
        }
        let (id, role) = app.users.authenticate(token.trim()).await?;
        Ok(Self { id, role })
    }
}

impl FromRequestParts<App> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        match Buyer::from_request_parts(parts, app).await? {
            Buyer { id, role: Role::Admin } => Ok(Self { id }),
            Buyer { .. } => Err(Problem::new(Code::Forbidden, "Only an administrator may do this.")),
        }
    }
}
