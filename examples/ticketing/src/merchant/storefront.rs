//! Whose shop a buyer has come to.

use std::sync::Arc;

use axum::{extract::FromRequestParts, http::request::Parts};
use nebula_tenant::TenantId;

use crate::{
    app::App,
    ids::SessionId,
    problem::{Problem, Result},
    show::SessionInfo,
};

/// The merchant whose domain or path a request names; nobody on the platform's own address, where all are found.
#[derive(Clone, Debug)]
pub struct Storefront(pub Option<TenantId>);

impl Storefront {
    /// Whether what that merchant sells is found here.
    #[must_use]
    pub fn shows(&self, merchant: &TenantId) -> bool {
        self.0.as_ref().is_none_or(|own| own == merchant)
    }

    /// Refuses what another merchant sells, as if it were not there.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`](crate::problem::Code::NotFound).
    pub fn check(&self, merchant: &TenantId, what: &str) -> Result<()> {
        if self.shows(merchant) { Ok(()) } else { Err(Problem::not_found(what)) }
    }

    /// A session that buyers may find here: published, of a merchant that is served, and not another merchant's than the
    /// shop's. Every route of buyers about a session begins with this.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`](crate::problem::Code::NotFound), or the database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn session(&self, app: &App, id: SessionId) -> Result<Arc<SessionInfo>> {
        let session = app.catalog.session(id).await?;
        self.check(&session.merchant, "session")?;
        if session.published && app.merchants.is_active(&session.merchant).await? {
            return Ok(session);
        }
        Err(Problem::not_found("session"))
    }
}

impl FromRequestParts<App> for Storefront {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        Ok(Self(app.merchants.shop(parts).await?))
    }
}
