//! Sessions of accounts: where somebody is signed in, and for how long.

use nebula_auth::{
    AccessGrant, AuthMethod, NewSession, RefreshOptions, Refreshed, RevokeReason, Session, TokenPair,
    secrecy::{ExposeSecret, SecretString},
};

use super::{Users, failed};
use crate::{
    ids::UserId,
    problem::{Code, Problem, Result},
    user::Device,
};

impl Users {
    /// Where an account is signed in, the latest first.
    ///
    /// # Errors
    ///
    /// The session store failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn sessions_of(&self, user: UserId) -> Result<Vec<Session>> {
        let mut sessions = self.0.auth.sessions.sessions_of(&user.to_string()).await.map_err(failed)?;
        let now = std::time::SystemTime::now();
        sessions.retain(|session| session.is_live(now));
        sessions.sort_by_key(|session| std::cmp::Reverse(session.refreshed_at));
        Ok(sessions)
    }

    /// Ends a session of an account. Unless it is the one that asks, whoever is sent away is a stranger from then on.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`] if it is not one of its own, or the session store failed.
    ///
    /// # Cancel safety
    ///
    /// Call it again.
    pub async fn end_session(&self, user: UserId, session: &str, here: Option<&str>) -> Result<()> {
        let sessions = &self.0.auth.sessions;
        let known = sessions.session(session).await.map_err(failed)?;
        let known = known.filter(|known| known.subject == user.to_string());
        let known = known.ok_or_else(|| Problem::not_found("session"))?;
        if let Some(print) = known.device.filter(|_| here != Some(session)) {
            self.0.devices.forget(user, &self.0.devices.index(user, print).await?).await?;
        }
        sessions.revoke(session, RevokeReason::Logout).await.map(drop).map_err(failed)
    }

    /// Ends the sessions of an account, but for the one that is named. Where their owner sends them away, they are strangers from
    /// then on.
    ///
    /// # Errors
    ///
    /// The session store failed.
    ///
    /// # Cancel safety
    ///
    /// Call it again.
    pub async fn end_sessions(&self, user: UserId, keep: Option<&str>, reason: RevokeReason) -> Result<()> {
        let sessions = &self.0.auth.sessions;
        if reason == RevokeReason::LogoutEverywhere {
            let kept = match keep {
                Some(keep) => sessions.session(keep).await.map_err(failed)?,
                None => None,
            };
            self.0.devices.forget_others(user, kept.and_then(|kept| kept.device)).await?;
        }
        let user = user.to_string();
        let ended = match keep {
            Some(keep) => sessions.revoke_others(&user, keep, reason).await,
            None => sessions.revoke_all(&user, reason).await,
        };
        ended.map(drop).map_err(failed)
    }

    /// Begins to keep a user signed in who has just made the account.
    ///
    /// # Errors
    ///
    /// The session store failed.
    ///
    /// # Cancel safety
    ///
    /// A session that nobody knows may be left; it expires.
    pub async fn start_session(&self, user: UserId, device: &Device) -> Result<TokenPair> {
        let mut session = NewSession::new(user.to_string()).methods([AuthMethod::Password]).device(device.print());
        if let Some(label) = device.label() {
            session = session.label(label);
        }
        let tokens = self.0.auth.sessions.start(session).await.map_err(failed)?;
        self.0.devices.remember(user, device).await;
        Ok(tokens)
    }

    /// Exchanges a refresh token. On another device than the session's, the new tokens say nothing of how somebody signed in.
    ///
    /// # Errors
    ///
    /// [`Code::RefreshRefused`], or the session store failed.
    ///
    /// # Cancel safety
    ///
    /// The token may have been used up; for a few seconds it yields the same successor again.
    pub async fn refresh(&self, token: &SecretString, device: &Device) -> Result<TokenPair> {
        match self.0.auth.sessions.refresh(token, RefreshOptions::new().device(device.print())).await.map_err(failed)? {
            Refreshed::Renewed(pair) => {
                self.seen(&pair, device).await;
                Ok(*pair)
            }
            Refreshed::Refused(refusal) => Err(Problem::new(Code::RefreshRefused, refusal.to_string())),
        }
    }

    /// Ends the session of a refresh token; its access tokens end with it. A token that is not accepted has nothing to
    /// end.
    ///
    /// # Errors
    ///
    /// The session store failed.
    ///
    /// # Cancel safety
    ///
    /// Repeat it.
    pub async fn logout(&self, token: &SecretString, device: &Device) -> Result<()> {
        match self.0.auth.sessions.refresh(token, RefreshOptions::new().device(device.print())).await.map_err(failed)? {
            Refreshed::Renewed(pair) => {
                self.seen(&pair, device).await;
                if let Some(session) = pair.principal.session_id() {
                    self.0.auth.sessions.revoke(session, RevokeReason::Logout).await.map_err(failed)?;
                }
                Ok(())
            }
            Refreshed::Refused(_) => Ok(()),
        }
    }

    /// The device of a session was seen; that it moved to another one proves nothing of that.
    async fn seen(&self, pair: &TokenPair, device: &Device) {
        if let (false, Ok(user)) = (pair.device_changed, pair.principal.subject().parse()) {
            self.0.devices.seen_again(user, device).await;
        }
    }

    /// An access token without a session, for buyers that are made in bulk.
    ///
    /// # Errors
    ///
    /// No key signs.
    pub fn bare_token(&self, user: UserId) -> Result<String> {
        let issued = self.0.auth.tokens.issue(&AccessGrant::new(user.to_string())).map_err(failed)?;
        Ok(issued.token.expose_secret().to_owned())
    }

    /// Removes sessions that ended long ago, and devices that were not seen for long.
    ///
    /// # Errors
    ///
    /// The session store or the database failed.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn purge_sessions(&self) -> Result<u64> {
        let devices = self.0.devices.forget_old().await?;
        Ok(self.0.auth.sessions.purge_expired().await.map_err(failed)?.saturating_add(devices))
    }

    /// Whether the session store can be reached.
    ///
    /// # Errors
    ///
    /// It cannot.
    ///
    /// # Cancel safety
    ///
    /// Safe.
    pub async fn health(&self) -> Result<()> {
        self.0.auth.sessions.health().await.map_err(failed)
    }
}
