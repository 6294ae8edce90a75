//! Ends access tokens together with their session.

use std::{fmt, sync::Arc};

use async_trait::async_trait;

use super::store::RefreshStore;
use crate::{
    clock::Clock,
    error::Error,
    token::{Principal, SessionCheck, SessionStatus},
};

/// Looks up the session of every access token in the session store, so that a logout takes effect with the next
/// request, in every process that shares the store. Costs one read per verified token.
///
/// Tokens issued without a session have nothing to look up and pass.
#[derive(Clone)]
pub struct StoreSessionCheck {
    pub(super) store: Arc<dyn RefreshStore>,
    pub(super) clock: Arc<dyn Clock>,
}

#[async_trait]
impl SessionCheck for StoreSessionCheck {
    async fn check(&self, principal: &Principal) -> Result<SessionStatus, Error> {
        let Some(id) = principal.session_id() else { return Ok(SessionStatus::Active) };
        let live = self
            .store
            .session(id)
            .await?
            .is_some_and(|session| session.subject == principal.subject() && session.is_live(self.clock.now()));
        Ok(if live { SessionStatus::Active } else { SessionStatus::Revoked })
    }
}

impl fmt::Debug for StoreSessionCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSessionCheck").field("store", &self.store).finish_non_exhaustive()
    }
}
