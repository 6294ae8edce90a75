//! Who works at which merchant's desk.

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use nebula_auth::{
    access::AuthContext,
    audit::{AuditRecord, Decision},
};
use nebula_tenant::{TenantId, as_host};

use super::Scope;
use crate::{
    app::App,
    ids::UserId,
    office::Reach,
    problem::{Code, Problem, Result},
};

/// Somebody at the desk of the merchant that the path names: they may be there, and have its scope. What they may do there
/// is the route's policy.
#[derive(Clone, Debug)]
pub struct AtDesk {
    /// What the merchant has.
    pub scope: Scope,
    /// Who it is.
    pub user: UserId,
    request_id: Option<String>,
}

/// Somebody who works at some desks, for routes whose path names no merchant.
#[derive(Clone, Debug)]
pub struct Staff {
    /// Who it is.
    pub user: UserId,
    reach: Reach,
}

impl Staff {
    /// Refuses what belongs to a merchant that they do not work for, as if it were not there.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`](crate::problem::Code::NotFound).
    pub fn check(&self, merchant: &TenantId, what: &str) -> Result<()> {
        if self.reach.includes(merchant) { Ok(()) } else { Err(Problem::not_found(what)) }
    }
}

impl FromRequestParts<App> for Staff {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, app: &App) -> Result<Self> {
        let user = asking(app, &AuthContext::current()?).await?;
        Ok(Self { user, reach: app.office.reach(user).await? })
    }
}

/// Who is asking, if the account may still come in.
async fn asking(app: &App, context: &AuthContext) -> Result<UserId> {
    let gone = || Problem::new(Code::TokenInvalid, "The account does not exist any more.");
    let user = context.principal().and_then(|principal| principal.subject().parse().ok()).ok_or_else(gone)?;
    if app.users.exists(user).await? { Ok(user) } else { Err(gone()) }
}

impl FromRequestParts<App> for AtDesk {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let nobody = || Problem::not_found("merchant");
        let params = RawPathParams::from_request_parts(parts, app).await.map_err(|_| nobody())?;
        let name = params.iter().find(|(name, _)| *name == "merchant").map(|(_, value)| value);
        let merchant: TenantId = name.and_then(|name| name.parse().ok()).ok_or_else(nobody)?;
        let context = AuthContext::current()?;
        let request_id = context.request_id().map(str::to_owned);
        let user = asking(app, &context).await?;
        let scope = match app.office.reach(user).await? {
            Reach::Own(own) if own == merchant => app.merchants.scope(&merchant)?,
            // Whoever works for all, or for several, does the platform's own work: that leaves a trace.
            reach if reach.includes(&merchant) => {
                app.merchants.get(&merchant).await?;
                let reason = format!("{} {} by {user}", parts.method, parts.uri.path());
                app.office.note(record(user, "merchant:enter", merchant.as_str(), request_id.clone())).await?;
                as_host(&reason, async { app.merchants.scope(&merchant) }).await.map_err(Problem::internal)??
            }
            // As if it were not there.
            _ => return Err(nobody()),
        };
        Ok(Self { scope, user, request_id })
    }
}

impl AtDesk {
    /// The merchant.
    #[must_use]
    pub fn merchant(&self) -> &TenantId {
        self.scope.tenant()
    }

    /// Writes down what was done, to what.
    ///
    /// # Errors
    ///
    /// The log cannot be written. What was done stays done.
    ///
    /// # Cancel safety
    ///
    /// It may have been written.
    pub async fn note(&self, app: &App, what: &str, on: impl std::fmt::Display + Send) -> Result<()> {
        let on = format!("{}/{on}", self.merchant());
        app.office.note(record(self.user, what, &on, self.request_id.clone())).await
    }
}

fn record(user: UserId, what: &str, on: &str, request_id: Option<String>) -> AuditRecord {
    AuditRecord {
        who: user.to_string(),
        what: what.to_owned(),
        on: on.to_owned(),
        decision: Decision::Granted,
        reason: String::new(),
        request_id,
    }
}
