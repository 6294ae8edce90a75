//! Sessions: which there are, and ending them.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use serde::Serialize;

use super::{
    Admin, actor,
    answer::{Answer, Failure, count},
    body::{Named, text},
};
use crate::{
    access::{AuthContext, DeclaredPermission as _},
    admin::permissions::session,
    audit::{AuditRecord, Decision},
    rbac::UserId,
    session::{RevokeReason, Session},
};

#[derive(Serialize)]
pub(super) struct SessionView {
    id: String,
    label: Option<String>,
    methods: Vec<String>,
    scopes: Vec<String>,
    created_at: String,
    refreshed_at: String,
    expires_at: String,
    /// Whether it is the one that asks.
    current: bool,
}

impl SessionView {
    fn of(session: Session, current: Option<&str>) -> Self {
        Self {
            current: current == Some(session.id.as_str()),
            id: session.id,
            label: session.label,
            methods: session.methods.iter().map(ToString::to_string).collect(),
            scopes: session.scopes,
            created_at: text(session.created_at),
            refreshed_at: text(session.refreshed_at),
            expires_at: text(session.expires_at),
        }
    }
}

pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    Named(user): Named<UserId>,
) -> Result<Answer<Vec<SessionView>>, Failure> {
    let context = AuthContext::current()?;
    let current = context.principal().and_then(|principal| principal.session_id());
    let sessions = admin.sessions()?.sessions_of(user.as_str()).await?;
    Ok(Answer(sessions.into_iter().map(|session| SessionView::of(session, current)).collect()))
}

pub(super) async fn revoke(
    State(admin): State<Arc<Admin>>,
    Named((user, id)): Named<(UserId, String)>,
) -> Result<StatusCode, Failure> {
    let sessions = admin.sessions()?;
    // Somebody else's is not found here: the log says whose session was ended.
    let session = sessions.session(&id).await?.filter(|session| session.subject == user.as_str());
    let session = session.ok_or(Failure::Unknown("session"))?;
    if sessions.revoke(&session.id, RevokeReason::Administrator).await? {
        note(&admin, sessions, format!("session {} of {user}", session.id)).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn revoke_all(
    State(admin): State<Arc<Admin>>,
    Named(user): Named<UserId>,
) -> Result<Answer<serde_json::Value>, Failure> {
    let sessions = admin.sessions()?;
    let ended = sessions.revoke_all(user.as_str(), RevokeReason::Administrator).await?;
    note(&admin, sessions, format!("{ended} sessions of {user}")).await?;
    Ok(count("ended", ended))
}

async fn note(admin: &Admin, sessions: &crate::SessionService, on: String) -> Result<(), Failure> {
    // Sessions with a log of their own have said so.
    let Some(log) = admin.audit.as_ref().filter(|_| !sessions.is_audited()) else { return Ok(()) };
    let record = AuditRecord {
        who: actor()?.name(),
        what: session::Revoke::PERMISSION.name().to_owned(),
        on,
        decision: Decision::Changed,
        reason: RevokeReason::Administrator.as_str().to_owned(),
        request_id: AuthContext::current()?.request_id().map(str::to_owned),
    };
    log.write(record).await?;
    Ok(())
}
