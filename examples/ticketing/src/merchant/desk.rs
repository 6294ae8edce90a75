//! Who works at which merchant's desk.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use nebula_auth::{
    access::AuthContext,
    audit::{AuditRecord, Decision},
};
use nebula_tenant::{TenantId, as_host};

use super::{Rows, Scope};
use crate::{
    app::App,
    ids::{SessionId, UserId},
    office::Reach,
    problem::{Code, Problem, Result},
    show::SessionInfo,
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
    /// What they ask for, for the log.
    asked: String,
    request_id: Option<String>,
}

impl Staff {
    /// Goes to a merchant's desk, and answers with what that merchant has. What belongs to a merchant that they do not work
    /// for is refused, as if it were not there.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`](crate::problem::Code::NotFound), or the log cannot be written.
    ///
    /// # Cancel safety
    ///
    /// It may have been written into the log.
    pub async fn enter(&self, app: &App, merchant: &TenantId, what: &str) -> Result<Scope> {
        match &self.reach {
            Reach::Own(own) if own == merchant => app.merchants.scope(merchant),
            // Whoever works for all, or for several, does the platform's own work: that leaves a trace.
            reach if reach.includes(merchant) => {
                self.entered(app, merchant.as_str()).await?;
                as_host(&self.reason(), async { app.merchants.scope(merchant) }).await.map_err(Problem::internal)?
            }
            // As if it were not there.
            _ => Err(Problem::not_found(what)),
        }
    }

    /// A session of a merchant that they work for, published or not.
    ///
    /// # Errors
    ///
    /// As [`enter`](Self::enter), or the database failed.
    ///
    /// # Cancel safety
    ///
    /// As [`enter`](Self::enter).
    pub async fn session(&self, app: &App, id: SessionId) -> Result<Arc<SessionInfo>> {
        let session = app.catalog.session(id).await?;
        self.enter(app, &session.merchant, "session").await?;
        Ok(session)
    }

    /// Whose rows a list for them may show.
    ///
    /// # Errors
    ///
    /// The log cannot be written.
    ///
    /// # Cancel safety
    ///
    /// It may have been written into the log.
    pub async fn rows(&self, app: &App) -> Result<Rows> {
        let rows = match &self.reach {
            Reach::Nobody => return Ok(Rows::of(Vec::new())),
            Reach::Own(own) => return Ok(Rows::of(vec![own.clone()])),
            Reach::Several(several) => Rows::of(several.clone()),
            Reach::All => Rows::all(),
        };
        self.entered(app, "*").await?;
        as_host(&self.reason(), async { rows }).await.map_err(Problem::internal)
    }

    async fn entered(&self, app: &App, where_to: &str) -> Result<()> {
        let mut entry = record(self.user, "merchant:enter", where_to, self.request_id.clone());
        entry.reason.clone_from(&self.asked);
        app.office.note(entry).await
    }

    fn reason(&self) -> String {
        format!("{} by {}", self.asked, self.user)
    }
}

impl FromRequestParts<App> for Staff {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let context = AuthContext::current()?;
        let user = asking(app, &context).await?;
        Ok(Self {
            user,
            reach: app.office.reach(user).await?,
            asked: format!("{} {}", parts.method, parts.uri.path()),
            request_id: context.request_id().map(str::to_owned),
        })
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
        let staff = Staff::from_request_parts(parts, app).await?;
        let scope = staff.enter(app, &merchant, "merchant").await?;
        // Whoever works for all may name anything.
        app.merchants.get(&merchant).await?;
        Ok(Self { scope, user: staff.user, request_id: staff.request_id })
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
